"""What runtimes answered before, kept in a file: the same program, asked the same by the same code, says the same again."""

import contextlib
import hashlib
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path

from drydock_cache.digest import Digest
from drydock_cache.errors import DigestError
from drydock_cache.sources.runtime import RuntimeNeeds, ask_runtime, runtime_name
from drydock_cache.sources.wrangler_config import RuntimeChoice

_MOST = 32  # the newest ones: those of other programs go in time


class RuntimeAnswers:
    """Asks runtimes what they need, and each only once where a file keeps the answers.

    The file is a matter of speed alone: one that is not there, cannot be read or holds anything else is written anew, and one
    that cannot be written is done without.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._kept: dict[str, object] = {}
        if path is not None:
            with contextlib.suppress(OSError, ValueError):
                found = json.loads(path.read_text(encoding="utf-8"))
                self._kept = found if isinstance(found, dict) else {}

    def ask(self, workerd: Path, choice: RuntimeChoice) -> RuntimeNeeds:
        """Return what ask_runtime does, from the file where it is there; raise DrydockError."""
        if self._path is None or not workerd.is_file():
            return ask_runtime(workerd, choice)  # which says what is wrong with a program that is none
        question = _question(workerd, choice)
        known = _needs(self._kept.get(question))
        if known is None:
            known = ask_runtime(workerd, choice)
            if known.whole:
                self._keep(question, known)
        return known

    def _keep(self, question: str, needs: RuntimeNeeds) -> None:
        assert self._path is not None
        self._kept[question] = {**asdict(needs), "bundle_digest": needs.bundle_digest and str(needs.bundle_digest)}
        self._kept = dict(list(self._kept.items())[-_MOST:])
        fresh = self._path.with_name(f".{self._path.name}.new")
        with contextlib.suppress(OSError):
            fresh.write_text(json.dumps(self._kept, indent=1), encoding="utf-8")
            fresh.replace(self._path)


def _question(workerd: Path, choice: RuntimeChoice) -> str:
    """Name everything that an answer depends on: the program, what it is asked, and the code that asks and concludes."""
    status = workerd.stat()
    program = (runtime_name(workerd), str(workerd.resolve()), status.st_size, status.st_mtime_ns, status.st_ino)
    asked = (choice.compatibility_date, sorted(choice.compatibility_flags))
    return hashlib.sha256(json.dumps([program, asked, _code()]).encode()).hexdigest()


@cache
def _code() -> str:
    found = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def _needs(entry: object) -> RuntimeNeeds | None:
    """Read what was kept of one question; None for anything that nobody kept so."""
    match entry:
        case {
            "bundle_url": str() | None as url,
            "bundle_digest": str() | None as digest,
            "stdlib_urls": list(urls),
            "notes": list(notes),
        }:
            with contextlib.suppress(ValueError, DigestError):
                return RuntimeNeeds(
                    url, Digest.parse(digest) if digest else None, tuple(map(str, urls)), tuple(map(str, notes))
                )
    return None
