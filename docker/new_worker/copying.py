"""The template's files under another name."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from new_worker.names import Name

FOLDER, WORKER, PACKAGE, PORT = "workers/template", "template-worker", "template_worker", 8783
"""What the template calls itself; nothing else in it is spelt so."""


@dataclass(frozen=True)
class File:
    """A file to be written; `mode` are its permissions."""

    path: PurePosixPath
    content: bytes
    mode: int


def renamed(text: str, name: Name, port: int) -> str:
    """Return text of the template as the Worker `name` on `port` has it."""
    words = {FOLDER: f"workers/{name.worker}", WORKER: name.worker, PACKAGE: name.package, str(PORT): str(port)}
    # In one pass: a new name may contain the template's.
    return re.sub("|".join(map(re.escape, words)), lambda found: words[found.group()], text)


def read_template(folder: Path, ignored: Sequence[str], name: Name, port: int) -> Iterator[File]:
    """Yield the template's files under the new name, but what git ignores: secrets, caches, what was installed."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_dir() or any(is_ignored(part, ignored) for part in inside.parts):
            continue
        place = PurePosixPath(renamed(inside.as_posix(), name, port))
        # What is no text passes through unharmed.
        text = path.read_bytes().decode(errors="surrogateescape")
        yield File(place, renamed(text, name, port).encode(errors="surrogateescape"), path.stat().st_mode & 0o777)


def is_ignored(name: str, ignored: Sequence[str]) -> bool:
    """Tell whether git ignores a file or folder of this name: the last pattern that fits decides, and one with ! takes it back."""
    fitting = [pattern for pattern in ignored if fnmatch(name, pattern.removeprefix("!"))]
    return bool(fitting) and not fitting[-1].startswith("!")


def patterns(gitignore: str) -> list[str]:
    """Return the patterns of a .gitignore that are plain names, as all of this repository's are."""
    lines = (line.strip() for line in gitignore.splitlines())
    return [line.rstrip("/") for line in lines if line and not line.startswith("#")]
