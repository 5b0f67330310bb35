"""Which D1 databases of a Worker have migrations, and how they are applied."""

import json
from pathlib import Path

import pytest
from worker_errors import WorkerError
from worker_migrations import Database, apply_command, find_databases, read_configuration, read_files


@pytest.fixture
def worker(tmp_path: Path) -> Path:
    for folder, file in (("migrations", "0002_more.sql"), ("migrations", "0001_first.sql"), ("other", "0001_x.sql")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / file).write_text("SELECT 1;")
    return tmp_path


def configure(worker: Path, **values: object) -> Path:
    (worker / "wrangler.jsonc").write_text("// a comment\n" + json.dumps(values))
    return worker


def test_a_database_is_migrated_from_its_folder_or_from_migrations(worker: Path) -> None:
    configure(worker, d1_databases=[{"binding": "DB"}, {"binding": "LOG", "migrations_dir": "other"}])
    found = find_databases(worker, read_configuration(worker), None)
    assert found == (Database("DB", "migrations"), Database("LOG", "other"))
    assert read_files(worker, found) == ("migrations/0001_first.sql", "migrations/0002_more.sql", "other/0001_x.sql")


@pytest.mark.parametrize(
    "databases", [None, [], [{"binding": "DB", "migrations_dir": "nothing"}], "no list", [{"database_name": "x"}, 7]]
)
def test_without_sql_files_there_is_nothing_to_migrate(worker: Path, databases: object) -> None:
    configure(worker, d1_databases=databases)
    assert find_databases(worker, read_configuration(worker), None) == ()


def test_an_environment_has_the_databases_that_it_names_itself(worker: Path) -> None:
    other = {"binding": "LOG", "migrations_dir": "other"}
    configure(worker, d1_databases=[{"binding": "DB"}], env={"staging": {"d1_databases": [other]}, "bare": {}})
    configuration = read_configuration(worker)
    assert find_databases(worker, configuration, "staging") == (Database("LOG", "other"),)
    assert find_databases(worker, configuration, "bare") == ()
    assert find_databases(worker, configuration, "unknown") == ()


def test_a_toml_configuration_is_read_too(worker: Path) -> None:
    (worker / "wrangler.toml").write_text('[[d1_databases]]\nbinding = "DB"\n')
    assert find_databases(worker, read_configuration(worker), None) == (Database("DB", "migrations"),)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("wrangler.jsonc", '{\n  "name": }', r"wrangler\.jsonc, line 2: expected a value"),
        ("wrangler.toml", "name = ]\n", r"wrangler\.toml cannot be read: .*line 1"),
    ],
)
def test_a_broken_configuration_is_named_with_its_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(WorkerError, match=said):
        read_configuration(tmp_path)


def test_wrangler_applies_them_locally_unless_told_otherwise() -> None:
    database = Database("DB", "migrations")
    assert apply_command(database, None, remote=False) == ["wrangler", "d1", "migrations", "apply", "DB", "--local"]
    assert apply_command(database, "staging", remote=True)[-3:] == ["--remote", "--env", "staging"]
