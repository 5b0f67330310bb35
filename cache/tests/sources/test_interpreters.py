"""What pywrangler sync downloads besides packages is what the real pywrangler and the real uv say, mirror included."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from drydock_cache.errors import DrydockError
from drydock_cache.sources.interpreters import SyncNeeds, ask_pywrangler, parse_downloads

_RELEASES = "https://github.com/pyodide/pyodide/releases/download"


def _worker(folder: Path, date: str, *flags: str) -> Path:
    config = {
        "name": "w",
        "main": "src/entry.py",
        "compatibility_date": date,
        "compatibility_flags": ["python_workers", *flags],
    }
    (folder / "wrangler.jsonc").write_text(json.dumps(config))
    (folder / "pyproject.toml").write_text('[project]\nname = "w"\nversion = "0"\ndependencies = []\n')
    return folder


def _environ(path: str, home: Path, **more: str) -> dict[str, str]:
    return {"PATH": path, "HOME": str(home), **more}


def ask(worker: Path, environ: dict[str, str]) -> SyncNeeds:
    (needs,) = ask_pywrangler([worker], environ)
    return needs


@pytest.mark.online
@pytest.mark.parametrize(
    ("date", "flags", "python", "archive", "index"),
    [
        ("2025-09-28", (), "3.12", "0.27.8/xbuildenv-0.27.8.tar.gz", "0.27.7"),
        ("2025-09-29", (), "3.13", "0.29.5/xbuildenv-0.29.5.tar.gz", "0.28.3"),
        ("2026-10-01", (), "3.14", "314.0.7/xbuildenv-314.0.7.tar.gz", "314.0.7"),
        ("2025-09-28", ("python_workers_314",), "3.14", "314.0.7/xbuildenv-314.0.7.tar.gz", "314.0.7"),
    ],
)
def test_the_compatibility_date_selects_pyodides_archive(
    pywrangler_path: str, tmp_path: Path, date: str, flags: tuple[str, ...], python: str, archive: str, index: str
) -> None:
    needs = ask(_worker(tmp_path, date, *flags), _environ(pywrangler_path, tmp_path))
    assert (needs.python_version, needs.archives[0]) == (python, f"{_RELEASES}/{archive}")
    assert needs.index_url == f"https://index.pyodide.org/{index}"


@pytest.mark.online
def test_a_cpython_is_needed_only_where_none_of_that_version_is_installed(pywrangler_path: str, tmp_path: Path) -> None:
    worker = _worker(tmp_path, "2026-10-01")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("uv", "pywrangler"):
        found = next(Path(one) / name for one in pywrangler_path.split(os.pathsep) if (Path(one) / name).is_file())
        (tools / name).symlink_to(found)
    bare = ask(worker, _environ(str(tools), tmp_path, UV_PYTHON_INSTALL_DIR=str(tmp_path / "none")))
    assert len(bare.archives) == 2
    assert "/cpython-3.14." in bare.archives[1]
    assert bare.archives[1].endswith(".tar.gz")


@pytest.mark.online
def test_uvs_mirror_is_honoured_and_its_password_is_left_out(pywrangler_path: str, tmp_path: Path) -> None:
    mirror = "https://user:secret@mirror.example.com/pyodide"
    environ = _environ(pywrangler_path, tmp_path, UV_PYODIDE_INSTALL_MIRROR=mirror)
    needs = ask(_worker(tmp_path, "2026-10-01"), environ)
    assert needs.archives[0] == "https://mirror.example.com/pyodide/314.0.7/xbuildenv-314.0.7.tar.gz"
    assert "secret" not in repr(needs)


@pytest.mark.online
def test_a_mirror_in_a_folder_needs_no_download_and_is_noted(pywrangler_path: str, tmp_path: Path) -> None:
    environ = _environ(pywrangler_path, tmp_path, UV_PYODIDE_INSTALL_MIRROR="file:///opt/pyodide")
    needs = ask(_worker(tmp_path, "2026-10-01"), environ)
    assert not [url for url in needs.archives if "xbuildenv" in url]
    assert needs.notes == (
        "uv takes Pyodide from file:///opt/pyodide/314.0.7/xbuildenv-314.0.7.tar.gz, which needs no fetching.",
    )


@pytest.mark.online
def test_several_workers_get_what_each_would_get_alone(
    pywrangler_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one with settings of its own for uv; those that nothing tells apart cost uv one question."""
    environ = _environ(pywrangler_path, tmp_path)
    dates = {"a": "2026-10-01", "b": "2025-09-28", "c": "2026-10-01", "d": "2026-10-01"}
    workers = []
    for name, date in dates.items():
        (tmp_path / name).mkdir()
        workers.append(_worker(tmp_path / name, date))
    with (tmp_path / "d/pyproject.toml").open("a") as manifest:
        manifest.write('[tool.uv]\npyodide-install-mirror = "https://mirror.example.com"\n')
    for name in ("a", "c"):
        with (tmp_path / name / "pyproject.toml").open("a") as manifest:
            manifest.write("[tool.uv]\npackage = false\n")
    alone = [ask(worker, environ) for worker in workers]
    commands: list[list[str]] = []
    run = subprocess.run

    def noted(command: list[str], **options: Any) -> Any:
        commands.append(command)
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", noted)
    assert ask_pywrangler(workers, environ) == alone
    assert alone[0] == alone[2] != alone[1]
    assert len([command for command in commands if "pywrangler" in str(command)]) == 1
    assert len([command for command in commands if "--only-installed" in command]) == 3  # a and c together, b, d


@pytest.mark.online
def test_settings_above_count_where_no_table_of_a_folder_hides_them(pywrangler_path: str, tmp_path: Path) -> None:
    """uv stops looking at the first pyproject.toml that has a table for it, whatever is in it."""
    (tmp_path / "uv.toml").write_text('pyodide-install-mirror = "https://mirror.example.com"\n')
    workers = []
    for name in ("hides", "has-none"):
        (tmp_path / name).mkdir()
        workers.append(_worker(tmp_path / name, "2026-10-01"))
    with (workers[0] / "pyproject.toml").open("a") as manifest:
        manifest.write("[tool.uv]\npackage = false\n")
    environ = _environ(pywrangler_path, tmp_path)
    alone = [ask(worker, environ) for worker in workers]
    assert alone[0] != alone[1]
    assert ask_pywrangler(workers, environ) == alone
    assert ask_pywrangler(workers[::-1], environ) == alone[::-1]


@pytest.mark.online
def test_the_worker_that_pywrangler_objects_to_is_named_among_several(pywrangler_path: str, tmp_path: Path) -> None:
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
        _worker(tmp_path / name, "2026-10-01")
    (tmp_path / "bad/wrangler.jsonc").write_text("{}")
    with pytest.raises(DrydockError, match=f"about {tmp_path}/bad and failed: No wrangler config found"):
        ask_pywrangler([tmp_path / "good", tmp_path / "bad"], _environ(pywrangler_path, tmp_path))


@pytest.mark.online
def test_what_pywrangler_objects_to_is_passed_on(pywrangler_path: str, tmp_path: Path) -> None:
    worker = _worker(tmp_path, "2026-10-01")
    (worker / "wrangler.jsonc").write_text('{"compatibility_date": "2026-10-01"}')
    with pytest.raises(DrydockError) as refused:
        ask(worker, _environ(pywrangler_path, tmp_path))
    assert refused.value.message == (
        f"pywrangler was asked about {worker} and failed: `python_workers` compat flag not specified in wrangler config"
    )


@pytest.mark.online
def test_a_module_in_the_workers_folder_does_not_pass_for_one_of_pythons_own(pywrangler_path: str, tmp_path: Path) -> None:
    worker = _worker(tmp_path, "2026-10-01")
    (worker / "json.py").write_text("raise SystemExit('the wrong json')")
    assert ask(worker, _environ(pywrangler_path, tmp_path)).python_version == "3.14"


def test_without_pywrangler_the_error_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DrydockError) as missing:
        ask(tmp_path, {"PATH": str(tmp_path)})
    assert missing.value.remedy == "Install it: uv tool install workers-py"


def test_a_pywrangler_whose_interpreter_is_unknown_is_named(tmp_path: Path) -> None:
    script = tmp_path / "pywrangler"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    with pytest.raises(DrydockError) as unknown:
        ask(tmp_path, {"PATH": str(tmp_path)})
    assert unknown.value.message == f"{script}: expected a first line that names the interpreter, found '#!/bin/sh'."


@pytest.mark.parametrize(
    ("text", "url"),
    [("[]", None), ('[{"url": null}]', None), ('[{"url": "https://a/1"}, {"url": "https://a/2"}]', "https://a/1")],
)
def test_uvs_list_is_read(text: str, url: str | None) -> None:
    assert parse_downloads(text) == url


@pytest.mark.parametrize("text", ["", "error", "{}x", '["a"]', "[{}]", "7"])
def test_a_list_that_is_none_is_refused_with_what_was_found(text: str) -> None:
    with pytest.raises(DrydockError) as refused:
        parse_downloads(text)
    assert refused.value.message == f"uv python list: expected a JSON list of downloads, found {text!r}."
