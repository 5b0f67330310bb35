"""Which Python interpreters `pywrangler sync` downloads: pywrangler is asked for the version, uv for the address."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from drydock_cache.errors import DrydockError
from drydock_cache.sources.registry import strip_credentials

_SECONDS = 60.0
# Functions that pywrangler's own sync calls; they read the wrangler configuration of the working directory.
_ASK_PYWRANGLER = """
import json, sys, click
from importlib.metadata import version
from pywrangler import utils
try:
    print(json.dumps([utils.get_python_version(), utils.get_uv_pyodide_interp_name(), utils.get_pyodide_index(),
                      version("workers-py")]))
except click.exceptions.Exit as refusal:
    sys.exit(refusal.exit_code)  # the reason was logged
"""


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


def ask_pywrangler(folder: Path, environ: Mapping[str, str]) -> SyncNeeds:
    """Ask pywrangler and uv what a sync of the Worker in `folder` downloads; nothing is downloaded for it.

    `UV_PYODIDE_INSTALL_MIRROR` and uv's other settings in `environ` are honoured. Raises DrydockError when one of the two
    programs is missing or answers in an unknown way.
    """
    python = _python_of_pywrangler(environ)
    # -I: a module in the Worker's folder must not pass for one of the standard library.
    printed = _run([str(python), "-I", "-c", _ASK_PYWRANGLER], folder, environ, "pywrangler")
    try:
        version, interpreter, index, tool = json.loads(printed.splitlines()[-1])
    except (ValueError, IndexError):
        raise DrydockError(
            f"pywrangler was asked which Python {folder} needs: expected four names, found {printed!r}."
        ) from None
    archives, notes = [], []
    for name, request in (("Pyodide", interpreter), ("CPython", _native_request(version, folder, environ))):
        if request is None:
            continue
        url = _download_url(request, folder, environ)
        if url is None:
            notes.append(f"uv knows no download of {name} for {request}; renew uv, or pywrangler sync will fail.")
        elif url.startswith("https://"):
            archives.append(strip_credentials(url))
        else:
            notes.append(f"uv takes {name} from {strip_credentials(url)}, which needs no fetching.")
    return SyncNeeds(version, tuple(archives), index, tool, tuple(notes))


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
    try:
        # Colour and terminal width make no difference in JSON; what pywrangler logs goes to both streams.
        done = subprocess.run(
            command, cwd=folder, env=dict(environ), capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DrydockError(f"{program} cannot be asked about {folder}: {error}.") from None
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise DrydockError(f"{program} was asked about {folder} and failed: {said[-1] if said else 'it printed nothing.'}")
    return done.stdout
