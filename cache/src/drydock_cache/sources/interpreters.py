"""Which Python interpreters `pywrangler sync` downloads: pywrangler is asked for the version, uv for the address."""

import contextlib
import json
import shutil
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from drydock_cache.errors import DrydockError
from drydock_cache.sources.registry import strip_credentials

_SECONDS = 60.0
_AT_ONCE = 2
# Functions that pywrangler's own sync calls; they read the wrangler configuration of the working directory, and remember it, so
# that each folder is looked at by a process of its own. What is imported once serves all of them.
_ASK_PYWRANGLER = """
import json, os, sys, click
from importlib.metadata import version
from pywrangler import utils
for folder in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        code = 0
        try:
            os.chdir(folder)
            print(json.dumps([utils.get_python_version(), utils.get_uv_pyodide_interp_name(), utils.get_pyodide_index(),
                              version("workers-py")]), flush=True)
        except click.exceptions.Exit as refusal:
            code = refusal.exit_code  # the reason was logged
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    if code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        sys.exit(code)
"""
# Of a project's settings for uv, those that no list of interpreters depends on.
_NO_MATTER_OF_INTERPRETERS = {"sources", "package"}


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


@dataclass(frozen=True)
class _Answer:
    """What pywrangler says of one folder: a Python version, uv's name of its Pyodide, an index, and its own version."""

    python: str
    interpreter: str
    index: str
    tool: str


def ask_pywrangler(folders: Sequence[Path], environ: Mapping[str, str]) -> list[SyncNeeds]:
    """Ask pywrangler and uv what a sync of each Worker's folder downloads; nothing is downloaded for it.

    `UV_PYODIDE_INSTALL_MIRROR` and uv's other settings in `environ` are honoured. Raises DrydockError when one of the two
    programs is missing or answers in an unknown way. uv is asked once where nothing in the folders would change its answer.
    """
    if not folders:
        return []
    answers = _ask_all(folders, environ)
    questions = {(_scope_for_uv(folder), answer): folder.absolute() for folder, answer in zip(folders, answers, strict=True)}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        needs = dict(zip(questions, pool.map(lambda one: _needs(one[0][1], one[1], environ), questions.items()), strict=True))
    return [needs[_scope_for_uv(folder), answer] for folder, answer in zip(folders, answers, strict=True)]


def _ask_all(folders: Sequence[Path], environ: Mapping[str, str]) -> list[_Answer]:
    # -I: a module in a Worker's folder must not pass for one of the standard library.
    command = [
        str(_python_of_pywrangler(environ)),
        "-I",
        "-c",
        _ASK_PYWRANGLER,
        *(str(folder.absolute()) for folder in folders),
    ]
    done = _call(command, folders[0], environ, "pywrangler")
    found: list[_Answer] = []
    for line in done.stdout.splitlines():
        with contextlib.suppress(ValueError):  # what it logs stands between the answers
            match json.loads(line):
                case [str(python), str(interpreter), str(index), str(tool)]:
                    found.append(_Answer(python, interpreter, index, tool))
    if done.returncode != 0:
        raise _failed(done, folders[min(len(found), len(folders) - 1)], "pywrangler")
    if len(found) != len(folders):
        raise DrydockError(
            f"pywrangler was asked which Python {folders[0]} needs: expected four names for each of {len(folders)} folders, "
            f"found {done.stdout!r}."
        )
    return found


def _scope_for_uv(folder: Path) -> Path:
    """Return the folder that uv's answer depends on: the parent, which others share, where this one has no settings or interpreters."""
    manifest = folder / "pyproject.toml"
    try:
        tools = tomllib.loads(manifest.read_text(encoding="utf-8")).get("tool", {}) if manifest.is_file() else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return folder
    settings = set(tools.get("uv", {})) - _NO_MATTER_OF_INTERPRETERS
    own = settings or any((folder / name).exists() for name in ("uv.toml", ".venv", ".python-version"))
    return folder if own else folder.absolute().parent


def _needs(answer: _Answer, folder: Path, environ: Mapping[str, str]) -> SyncNeeds:
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
    listed = _run(
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
    return parse_downloads(_run(command, folder, environ, "uv"))


def _uv(environ: Mapping[str, str]) -> list[str]:
    found = shutil.which("uv", path=environ.get("PATH"))
    if found is None:
        raise DrydockError("uv is not on PATH, so nobody can say where Pyodide comes from.", "Install it: pip install uv")
    # Without a cache of its own: uv refuses to run beside one that it may not write.
    return [found, "python", "--no-cache"]


def _python_of_pywrangler(environ: Mapping[str, str]) -> Path:
    """Find the interpreter that runs the pywrangler on PATH: it stands in the script's first line, or beside it."""
    found = shutil.which("pywrangler", path=environ.get("PATH"))
    if found is None:
        raise DrydockError(
            "pywrangler is not on PATH, so nobody can say which Python it would fetch.",
            "Install it: uv tool install workers-py",
        )
    script = Path(found).resolve()
    first = script.read_bytes().partition(b"\n")[0].decode(errors="replace")
    interpreter = Path(first.removeprefix("#!").strip().split(" ")[0])
    if first.startswith("#!") and interpreter.name.startswith("python") and interpreter.is_file():
        return interpreter
    # Long paths make installers write a shell line instead; the venv's interpreter is then in the same folder.
    beside = script.with_name("python")
    if beside.is_file():
        return beside
    raise DrydockError(f"{script}: expected a first line that names the interpreter, found {first!r}.")


def _run(command: list[str], folder: Path, environ: Mapping[str, str], program: str) -> str:
    done = _call(command, folder, environ, program)
    if done.returncode != 0:
        raise _failed(done, folder, program)
    return done.stdout


def _call(command: list[str], folder: Path, environ: Mapping[str, str], program: str) -> subprocess.CompletedProcess[str]:
    try:
        # Colour and terminal width make no difference in JSON; what pywrangler logs goes to both streams.
        return subprocess.run(
            command, cwd=folder, env=dict(environ), capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DrydockError(f"{program} cannot be asked about {folder}: {error}.") from None


def _failed(done: subprocess.CompletedProcess[str], folder: Path, program: str) -> DrydockError:
    said = (done.stdout + done.stderr).strip().splitlines()
    return DrydockError(f"{program} was asked about {folder} and failed: {said[-1] if said else 'it printed nothing.'}")
