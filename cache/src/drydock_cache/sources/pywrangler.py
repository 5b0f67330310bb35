"""Which Python pywrangler would use for each of several Workers, asked in one process; and how a tool is asked about a folder."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drydock_cache.errors import DrydockError

_SECONDS = 60.0
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


@dataclass(frozen=True)
class PythonOfWorker:
    """What pywrangler says of one folder: a version like 3.14, uv's name of its Pyodide, an index URL, and its own version."""

    python: str
    interpreter: str
    index: str
    tool: str


def ask_versions(folders: Sequence[Path], environ: Mapping[str, str]) -> list[PythonOfWorker]:
    """Ask pywrangler which Python each Worker's folder needs; raise DrydockError, which names the folder it objects to."""
    # -I: a module in a Worker's folder must not pass for one of the standard library.
    command = [
        str(_python_of_pywrangler(environ)),
        "-I",
        "-c",
        _ASK_PYWRANGLER,
        *(str(folder.absolute()) for folder in folders),
    ]
    done = _call(command, folders[0], environ, "pywrangler", _SECONDS * len(folders))
    found: list[PythonOfWorker] = []
    for line in done.stdout.splitlines():
        with contextlib.suppress(ValueError):  # what it logs stands between the answers
            match json.loads(line):
                case [str(python), str(interpreter), str(index), str(tool)]:
                    found.append(PythonOfWorker(python, interpreter, index, tool))
    if len(found) < len(folders) or done.returncode != 0:
        raise _failed(done, folders[min(len(found), len(folders) - 1)], "pywrangler")
    return found


def run(command: list[str], folder: Path, environ: Mapping[str, str], program: str) -> str:
    """Return what a program prints that is asked about a Worker's folder; raise DrydockError when it fails."""
    done = _call(command, folder, environ, program, _SECONDS)
    if done.returncode != 0:
        raise _failed(done, folder, program)
    return done.stdout


def _call(
    command: list[str], folder: Path, environ: Mapping[str, str], program: str, seconds: float
) -> subprocess.CompletedProcess[str]:
    try:
        # Colour and terminal width make no difference in JSON; what pywrangler logs goes to both streams.
        return subprocess.run(
            command, cwd=folder, env=dict(environ), capture_output=True, text=True, timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DrydockError(f"{program} cannot be asked about {folder}: {error}.") from None


def _failed(done: subprocess.CompletedProcess[str], folder: Path, program: str) -> DrydockError:
    # what it said of other folders is no reason
    said = [line for line in (done.stdout + done.stderr).strip().splitlines() if not line.startswith('["')]
    return DrydockError(f"{program} was asked about {folder} and failed: {said[-1] if said else 'it printed nothing.'}")


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
