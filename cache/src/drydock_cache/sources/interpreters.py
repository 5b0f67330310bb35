"""Which Python interpreters `pywrangler sync` downloads: pywrangler is asked for the version (pywrangler.py), uv for the address."""

import json
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from drydock_cache.errors import DrydockError
from drydock_cache.sources.pywrangler import PythonOfWorker, ask_versions, run
from drydock_cache.sources.registry import strip_credentials

_AT_ONCE = 2
# Of a project's settings for uv, those that no list of interpreters depends on.
_SETTINGS_WITHOUT_EFFECT = {"sources", "package"}


@dataclass(frozen=True)
class SyncNeeds:
    """What `pywrangler sync` needs besides packages.

    `python_version` is like "3.14"; `archives` are the URLs of interpreters that uv would download; `index_url` is the
    index of Pyodide packages; `tool_version` is pywrangler's own. `notes` are sentences for the user.
    """

    python_version: str
    archives: tuple[str, ...]
    index_url: str
    tool_version: str
    notes: tuple[str, ...] = ()


def ask_pywrangler(folders: Sequence[Path], environ: Mapping[str, str]) -> list[SyncNeeds]:
    """Ask pywrangler and uv what a sync of each Worker's folder downloads; nothing is downloaded for it.

    `UV_PYODIDE_INSTALL_MIRROR` and uv's other settings in `environ` are honoured. Raises DrydockError when one of the two
    programs is missing or answers in an unknown way. uv is asked once where nothing in the folders would change its answer.
    """
    if not folders:
        return []
    answers = ask_versions(folders, environ)
    questions = {(_scope_for_uv(folder), answer): folder.absolute() for folder, answer in zip(folders, answers, strict=True)}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        needs = dict(zip(questions, pool.map(lambda one: _needs(one[0][1], one[1], environ), questions.items()), strict=True))
    return [needs[_scope_for_uv(folder), answer] for folder, answer in zip(folders, answers, strict=True)]


def _scope_for_uv(folder: Path) -> tuple[Path, bool]:
    """Return what uv's answer depends on: a folder, and whether a table of uv's hides the settings of the folders above it.

    The folder is the parent, which others share, where this one has neither settings nor interpreters of its own.
    """
    manifest = folder / "pyproject.toml"
    try:
        match tomllib.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}:
            case {"tool": {"uv": table}}:
                settings = set(table) - _SETTINGS_WITHOUT_EFFECT if isinstance(table, dict) else {"uv"}
                has_table = True
            case _:
                settings, has_table = set(), False
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return folder, False
    own = settings or any((folder / name).exists() for name in ("uv.toml", ".venv", ".python-version"))
    return (folder if own else folder.absolute().parent), has_table


def _needs(answer: PythonOfWorker, folder: Path, environ: Mapping[str, str]) -> SyncNeeds:
    archives, notes = [], []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        pyodide = pool.submit(_download_url, answer.interpreter, folder, environ)
        native = _native_request(answer.python, folder, environ)
        urls = [("Pyodide", answer.interpreter, pyodide.result())]
    if native is not None:
        urls.append(("CPython", native, _download_url(native, folder, environ)))
    for name, request, url in urls:
        if url is None:
            notes.append(f"uv knows no download of {name} for {request}; renew uv, or pywrangler sync will fail.")
        elif url.startswith("https://"):
            archives.append(strip_credentials(url))
        else:
            notes.append(f"uv takes {name} from {strip_credentials(url)}, which needs no fetching.")
    return SyncNeeds(answer.python, tuple(archives), answer.index, answer.tool, tuple(notes))


def parse_downloads(text: str) -> str | None:
    """Take the first URL out of what `uv python list --output-format json` prints; None when it lists nothing."""
    try:
        entries = json.loads(text)
        return next((str(entry["url"]) for entry in entries if entry["url"]), None)
    except (ValueError, TypeError, KeyError):
        raise DrydockError(f"uv python list: expected a JSON list of downloads, found {text[:200]!r}.") from None


def _native_request(version: str, folder: Path, environ: Mapping[str, str]) -> str | None:
    """What to ask uv for when this machine has no CPython of that version, which the host venv needs; else None."""
    listed = run(
        [*_uv(environ), "list", f"cpython-{version}", "--only-installed", "--output-format", "json", "--offline"],
        folder,
        environ,
        "uv",
    )
    return f"cpython-{version}" if json.loads(listed) == [] else None


def _download_url(request: str, folder: Path, environ: Mapping[str, str]) -> str | None:
    command = [*_uv(environ), "list", request, "--only-downloads", "--output-format", "json", "--offline"]
    if "emscripten" in request:
        # A platform other than the machine's own is listed only so.
        command.append("--all-platforms")
    return parse_downloads(run(command, folder, environ, "uv"))


def _uv(environ: Mapping[str, str]) -> list[str]:
    found = shutil.which("uv", path=environ.get("PATH"))
    if found is None:
        raise DrydockError("uv is not on PATH, so nobody can say where Pyodide comes from.", "Install it: pip install uv")
    # Without a cache of its own: uv refuses to run beside one that it may not write.
    return [found, "python", "--no-cache"]
