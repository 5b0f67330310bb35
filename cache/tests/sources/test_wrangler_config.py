"""Wrangler configurations: the three spellings are read alike, and a mistake is named with its file and line."""

from pathlib import Path

import pytest
from drydock_cache.errors import ConfigError
from drydock_cache.sources.wrangler_config import (
    RuntimeChoice,
    WranglerConfig,
    parse_wrangler_config,
    read_wrangler_config,
)

_JSONC = """{
  // a Python Worker
  "name": "hello",
  "main": "src/entry.py",
  "compatibility_date": "2026-10-01",
  "compatibility_flags": ["python_workers",],
  "env": {
    "same": {},
    "older": {"compatibility_date": "2025-10-01"},
    "flagged": {"compatibility_flags": ["python_workers", "python_workers_20260610"]},
  },
}"""
_TOML = """name = "hello"
main = "src/entry.py"
compatibility_date = "2026-10-01"
compatibility_flags = ["python_workers"]
[env.same]
[env.older]
compatibility_date = "2025-10-01"
[env.flagged]
compatibility_flags = ["python_workers", "python_workers_20260610"]
"""


def _folder(tmp_path: Path, **files: str) -> Path:
    for ending, text in files.items():
        (tmp_path / f"wrangler.{ending}").write_text(text)
    return tmp_path


def _facts(config: WranglerConfig) -> tuple[object, ...]:
    return (
        config.name,
        config.main,
        config.is_python,
        config.compatibility_date,
        config.compatibility_flags,
        config.environments,
    )


def test_jsonc_and_toml_say_the_same() -> None:
    assert _facts(parse_wrangler_config(Path("w/wrangler.jsonc"), _JSONC)) == _facts(
        parse_wrangler_config(Path("w/wrangler.toml"), _TOML)
    )


def test_each_different_runtime_of_the_environments_is_listed_once_and_what_they_leave_out_is_inherited() -> None:
    assert parse_wrangler_config(Path("w/wrangler.jsonc"), _JSONC).runtime_choices() == (
        RuntimeChoice("2026-10-01", ("python_workers",)),
        RuntimeChoice("2025-10-01", ("python_workers",)),
        RuntimeChoice("2026-10-01", ("python_workers", "python_workers_20260610")),
    )


def test_a_worker_without_a_name_is_called_after_its_folder_and_one_without_python_needs_no_date() -> None:
    config = parse_wrangler_config(Path("w/my-worker/wrangler.json"), '{"main": "index.js"}')
    assert (config.name, config.is_python, config.runtime_choices()) == ("my-worker", False, ())


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("wrangler.jsonc", '{\n"name" "x"}', 'F, line 2: expected ":" after the key "name", found "x"}.'),
        ("wrangler.jsonc", "[]", "F, line 1: expected an object, found another kind of value."),
        ("wrangler.jsonc", '{\n\n"name": 5}', "F, line 3: expected name to be a string, found a number."),
        (
            "wrangler.jsonc",
            '{"compatibility_flags":\n"python_workers"}',
            'F, line 2: expected compatibility_flags to be a list of strings, found "python_workers".',
        ),
        (
            "wrangler.jsonc",
            '{"compatibility_flags": [\n"a",\n7]}',
            "F, line 3: expected compatibility_flags.1 to be a string, found a number.",
        ),
        (
            "wrangler.jsonc",
            '{"compatibility_date":\n"2026-02-30"}',
            'F, line 2: expected compatibility_date to be a date in quotes like "2026-10-01", found "2026-02-30".',
        ),
        (
            "wrangler.jsonc",
            '{"env":\n{"a": {\n"compatibility_date": "soon"}}}',
            'F, line 3: expected env.a.compatibility_date to be a date in quotes like "2026-10-01", found "soon".',
        ),
        ("wrangler.jsonc", '{"env":\n{"a": 1}}', "F, line 2: expected env.a to be a table, found a number."),
        (
            "wrangler.toml",
            "name = 'x'\ncompatibility_date = 2026-10-01",
            'F, line 2: expected compatibility_date to be a date in quotes like "2026-10-01", found date.',
        ),
        ("wrangler.toml", "name = \n", "F is not valid TOML: Invalid value (at line 1, column 8)."),
    ],
)
def test_a_mistake_is_named_with_file_line_expected_and_found(name: str, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        parse_wrangler_config(Path(name), text)
    assert wrong.value.message == sentence.replace("F", name, 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '{"main": "a.py", "compatibility_flags": ["python_workers"]}',
            "expected a compatibility_date, since it selects the Python version",
        ),
        (
            '{"main": "a.py", "compatibility_date": "2026-10-01"}',
            'a.py is Python, so compatibility_flags must hold "python_workers"; found none',
        ),
        (
            '{"main": "a.py", "compatibility_date": "2026-10-01", "compatibility_flags": ["python_workers"], '
            '"env": {"x": {"compatibility_flags": ["y"]}}}',
            'a.py is Python, so compatibility_flags in environment "x" must hold "python_workers"; found y',
        ),
    ],
)
def test_a_python_worker_must_say_what_selects_its_runtime(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        parse_wrangler_config(Path("w/wrangler.jsonc"), text)
    assert sentence in wrong.value.message
    assert wrong.value.remedy.startswith("Add ")


def test_a_folder_with_two_configurations_is_refused_because_the_tools_would_read_different_ones(
    tmp_path: Path,
) -> None:
    folder = _folder(tmp_path, toml=_TOML, jsonc=_JSONC)
    with pytest.raises(ConfigError) as wrong:
        read_wrangler_config(folder)
    assert wrong.value.message == f"{folder}: expected one wrangler configuration, found wrangler.jsonc and wrangler.toml."
    assert wrong.value.remedy == f"Keep one: rm {folder}/wrangler.toml"


def test_a_folder_without_a_configuration_is_no_worker(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is not a Worker: expected one of wrangler\.json, "):
        read_wrangler_config(tmp_path)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "wrangler.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"wrangler\.json cannot be read: 'utf-8' codec"):
        read_wrangler_config(tmp_path)
