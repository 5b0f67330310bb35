"""Ask a workerd what it downloads for a Python Worker, and which digest it insists on, by letting it try."""

import json
import mmap
import re
import signal
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from drydock_cache.digest import Digest
from drydock_cache.errors import DrydockError
from drydock_cache.sources.asking import hold_interview
from drydock_cache.sources.question import Question, Transcript
from drydock_cache.sources.wrangler_config import RuntimeChoice

DEFAULT_SECONDS = 20.0  # a question takes about 0.3 s; an emulated or busy machine gets patience
_BUNDLE = re.compile(r"/pyodide_[^/]+\.capnp\.bin$")
_EXPECTED = re.compile(r"expectedIntegrity = (sha256-[A-Za-z0-9+/]+=*)")
_VERSION = re.compile(r"^workerd (\d{4}-\d{2}-\d{2})$")

# Between May and July 2025 the runtime set its interpreter up before it fetched the standard library's extension modules,
# which an empty bundle cannot pass. There the list is known: the packages of kind "cpython_module" in the lock that the
# binary carries, at the address that its code (1.20250508.0: pyodide-internal:loadPackage; 1.20250718.0: pyodide.c++) names.
_UNASKED_BUNDLE = "pyodide_0.26.0a2_2024-03-01_"
_UNASKED_VERSION = "20240829.4"
_UNASKED_NAMES = ("hashlib", "lzma", "pydecimal", "pydoc_data", "sqlite3", "ssl")
# The address in the binary, what stands between it and the version, and the further packages that are fetched from there.
_UNASKED_PLACES = (
    ("https://storage.googleapis.com/cloudflare-edgeworker-python-packages/", "python-package-bucket/", ("test",)),
    ("https://pyodide-packages.runtime-playground.workers.dev/", "", ()),
)

# The answer to any request would do: the runtime fetches its bundle before it looks at the code.
_WORKER = "async def on_fetch(request, env):\n    return None\n"
_CONFIG = """using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "worker.py", pythonModule = embed "worker.py")],
    compatibilityDate = %s,
    compatibilityFlags = [%s]))],
  sockets = [(name = "http", address = "127.0.0.1:0", service = "main")]);
"""


@dataclass(frozen=True)
class RuntimeNeeds:
    """What a runtime downloads when it starts a Python Worker.

    `bundle_url` is None for a runtime that carries its bundle inside; `bundle_digest` is None for one that checks none.
    `stdlib_urls` are sorted. `notes` are sentences about what is not as sure as the rest. `whole` is False for a runtime that
    was stopped before it had said all: another time it may say more.
    """

    bundle_url: str | None
    bundle_digest: Digest | None
    stdlib_urls: tuple[str, ...]
    notes: tuple[str, ...] = ()
    whole: bool = True


def runtime_date(workerd: Path) -> str:
    """Return the newest compatibility date that this workerd supports, YYYY-MM-DD; raise DrydockError if it does not run."""
    try:
        answer = subprocess.run([workerd, "--version"], capture_output=True, text=True, timeout=DEFAULT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DrydockError(f"{workerd} cannot be run: {error}.", "Install wrangler, which brings it: npm ci") from None
    version = _VERSION.match(answer.stdout.strip())
    if not version:
        found = (answer.stdout + answer.stderr).strip()[:200] or "nothing"
        raise DrydockError(f'{workerd} --version: expected "workerd YYYY-MM-DD", found {found!r}.')
    return version[1]


def runtime_name(workerd: Path) -> str:
    """Return the runtime's name with its version: that of the npm package it lies in, else the newest date it supports."""
    manifest = workerd.resolve().parent.parent / "package.json"
    try:
        package = json.loads(manifest.read_text(encoding="utf-8"))
        if "workerd" in package["name"]:
            return f"workerd {package['version']}"
    except (OSError, ValueError, KeyError, TypeError):
        pass  # it was put there by other means
    return f"workerd of {runtime_date(workerd)}"


def ask_runtime(workerd: Path, choice: RuntimeChoice, *, seconds: float = DEFAULT_SECONDS) -> RuntimeNeeds:
    """Start `workerd` with an empty Python Worker where nothing outside exists, and learn what it asks for.

    Takes a third of a second, at most `seconds` and a little, and leaves no process and no file. Raises DrydockError when
    the runtime refuses the date or a flag, or when there is no way to close a place off (see closed_place).
    """
    supported = runtime_date(workerd)
    notes: tuple[str, ...] = ()
    if choice.compatibility_date > supported:
        # wrangler dev does the same, with a warning.
        notes = (f"{workerd} supports compatibility dates up to {supported}; {choice.compatibility_date} is run as that.",)
        choice = RuntimeChoice(supported, choice.compatibility_flags)
    transcript = hold_interview(
        Question(
            (str(workerd.absolute()), "serve", "--experimental", "--control-fd={control}", "config.capnp"),
            {"worker.py": _WORKER, "config.capnp": _config(choice)},
            seconds,
        )
    )
    needs = read_transcript(transcript, f"{workerd} ({choice.compatibility_date})", seconds)
    if _is_silent_about_stdlib(needs):
        needs = replace(needs, stdlib_urls=_stdlib_named_in(workerd))
    return replace(needs, notes=notes + needs.notes)


def read_transcript(transcript: Transcript, runtime: str, seconds: float) -> RuntimeNeeds:
    """Conclude from a conversation what the runtime, named `runtime` in sentences, needs."""
    bundles = [url for url in transcript.urls if _BUNDLE.search(url)]
    if not bundles:
        if transcript.ready:
            return RuntimeNeeds(None, None, ())
        ending = f"ended with {transcript.exit_code}" if transcript.exit_code is not None else f"was silent for {seconds:g} s"
        asked = f" (but for {', '.join(transcript.urls)})" if transcript.urls else ""
        raise DrydockError(f"{runtime} asked for no Pyodide bundle{asked} and {ending}: {_gist(transcript.said)}")
    stdlib = tuple(sorted(set(transcript.urls) - set(bundles)))
    expected = _EXPECTED.search(transcript.said)
    unfinished = transcript.exit_code is None and not transcript.ready
    notes = (
        (f"{runtime} did not end within {seconds:g} s; it may need more than it asked for until then.",) if unfinished else ()
    )
    killed = transcript.exit_code in (-signal.SIGKILL, -signal.SIGTERM)  # by others: for want of memory, for one
    digest = Digest.parse(expected[1]) if expected else None
    return RuntimeNeeds(bundles[0], digest, stdlib, notes, whole=not (unfinished or killed))


def _is_silent_about_stdlib(needs: RuntimeNeeds) -> bool:
    return bool(
        needs.bundle_url and _UNASKED_BUNDLE in needs.bundle_url and needs.bundle_digest is None and not needs.stdlib_urls
    )


def _stdlib_named_in(workerd: Path) -> tuple[str, ...]:
    """List the tarballs by the address that is written in the binary; none where it names no such place."""
    with workerd.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as binary:
        for address, folder, more in _UNASKED_PLACES:
            if binary.find(address.encode()) >= 0:
                base = f"{address}{folder}{_UNASKED_VERSION}"
                return tuple(f"{base}/{name}-1.0.0.tar.gz" for name in sorted((*_UNASKED_NAMES, *more)))
    return ()


def _config(choice: RuntimeChoice) -> str:
    # Cap'n Proto's text strings have C's escapes, of which JSON's are a part as long as the text is ASCII without controls.
    date, flags = json.dumps(choice.compatibility_date), ", ".join(map(json.dumps, choice.compatibility_flags))
    return _CONFIG % (date, flags)


def _gist(said: str) -> str:
    """The last line that is a sentence of the runtime's, without stack traces."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("stack:")]
    return lines[-1][:500] if lines else "it printed nothing."
