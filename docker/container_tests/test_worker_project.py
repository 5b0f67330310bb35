"""How a Worker's mounted sources become a folder that tools can write to, and when something is installed again."""

import os
from pathlib import Path

import pytest
from worker_errors import WorkerError
from worker_project import Project, check_secrets, fingerprint, is_stale, link_sources, place_sdk, read_project, seed_lock


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "wrangler.jsonc").write_text("{}")
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def test_sources_are_seen_live_and_a_removed_one_goes(source: Path, work: Path) -> None:
    (source / "package.json").write_text("{}")
    link_sources(source, work)
    (source / "wrangler.jsonc").write_text('{"name": "changed"}')
    (source / "package.json").unlink()
    link_sources(source, work)
    assert (work / "wrangler.jsonc").read_text() == '{"name": "changed"}'
    assert not (work / "package.json").is_symlink()


def test_a_mounted_folder_and_what_tools_made_are_left_alone(source: Path, work: Path) -> None:
    for name in ("src", "node_modules", ".venv-workers", ".wrangler"):
        (source / name).mkdir()
    (work / "src").mkdir()
    link_sources(source, work)
    assert not (work / "src").is_symlink()
    assert sorted(entry.name for entry in work.iterdir()) == ["src", "wrangler.jsonc"]


def test_a_newer_lock_is_copied_since_pywrangler_writes_to_it(source: Path, work: Path) -> None:
    (source / "pylock.toml").write_text("first")
    link_sources(source, work)
    (work / "pylock.toml").write_text("written by pywrangler")
    link_sources(source, work)
    assert (work / "pylock.toml").read_text() == "written by pywrangler"
    (source / "pylock.toml").write_text("second")
    later = (work / "pylock.toml").stat().st_mtime + 10
    os.utime(source / "pylock.toml", (later, later))
    link_sources(source, work)
    assert (work / "pylock.toml").read_text() == "second"


def test_a_missing_folder_is_named(tmp_path: Path, work: Path) -> None:
    with pytest.raises(WorkerError, match=r"/gone is not there: expected the Worker's folder"):
        link_sources(tmp_path / "gone", work)


def test_a_folder_without_wrangler_configuration_is_no_worker(work: Path) -> None:
    with pytest.raises(WorkerError, match=r"is not a Worker: expected wrangler\.jsonc"):
        read_project(work)


def test_a_broken_pyproject_is_named_with_the_line(source: Path) -> None:
    (source / "pyproject.toml").write_text("[project\n")
    with pytest.raises(WorkerError, match=r"pyproject\.toml is not TOML: .*line 1"):
        read_project(source)


def test_a_project_is_what_its_files_declare(source: Path) -> None:
    assert read_project(source) == Project(source, python=False, dependencies=(), npm_lock=False)
    (source / "pyproject.toml").write_text('[project]\nname = "w"\ndependencies = ["fastapi==0.165.0"]\n')
    (source / "package-lock.json").write_text("{}")
    assert read_project(source) == Project(source, python=True, dependencies=("fastapi==0.165.0",), npm_lock=True)


def test_an_installation_is_stale_when_content_or_tool_changes_and_not_when_only_times_do(source: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    assert is_stale(token, fingerprint(source, ("wrangler.jsonc",), "1.17.9"))
    token.write_text(fingerprint(source, ("wrangler.jsonc",), "1.17.9"))
    os.utime(source / "wrangler.jsonc", (1, 1))
    assert not is_stale(token, fingerprint(source, ("wrangler.jsonc",), "1.17.9"))
    assert is_stale(token, fingerprint(source, ("wrangler.jsonc",), "1.17.10"))
    (source / "wrangler.jsonc").write_text("{ }")
    assert is_stale(token, fingerprint(source, ("wrangler.jsonc",), "1.17.9"))


def test_the_sdk_is_placed_whole_and_replaces_what_was_there(work: Path, tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    (site / "workers").mkdir(parents=True)
    (site / "other").mkdir()
    (site / "workers/__init__.py").write_text("sdk")
    (site / "workers_runtime_sdk-1.9.5.dist-info").mkdir()
    record = "workers/__init__.py,sha256=x,3\nworkers/__pycache__/__init__.cpython-314.pyc,,\n"
    (site / "workers_runtime_sdk-1.9.5.dist-info/RECORD").write_text(record)
    (work / "python_modules/fastapi").mkdir(parents=True)
    place_sdk(site, Project(work, python=True, dependencies=(), npm_lock=False), "1.17.9")
    assert sorted(entry.name for entry in (work / "python_modules").iterdir()) == [".synced", "pyvenv.cfg", "workers"]
    assert (work / ".venv-workers/.synced").read_text() == "1.17.9"


def test_the_preferred_sdk_never_replaces_a_lock(work: Path) -> None:
    seed_lock(work, "1.9.5")
    assert 'version = "1.9.5"' in (work / "pylock.toml").read_text()
    seed_lock(work, "1.9.6")
    assert "1.9.6" not in (work / "pylock.toml").read_text()


def test_secrets_for_development_are_not_needed_and_stay_where_they_are(source: Path, work: Path) -> None:
    check_secrets(work)
    (source / ".dev.vars").write_text("API_KEY=secret\n")
    (source / ".dev.vars").chmod(0o600)
    link_sources(source, work)
    check_secrets(work)
    assert (work / ".dev.vars").readlink() == source / ".dev.vars"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_secrets_that_cannot_be_read_are_named_with_the_mend(source: Path, work: Path) -> None:
    (source / ".dev.vars").write_text("API_KEY=secret\n")
    (source / ".dev.vars").chmod(0o000)
    link_sources(source, work)
    with pytest.raises(WorkerError, match=r"\.dev\.vars cannot be read: .* found mode 0000 .*setfacl") as raised:
        check_secrets(work)
    assert "secret" not in str(raised.value)
