"""Find the Python files below the paths that were named, and read them."""

import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

_SKIPPED = frozenset({"tests", "scripts", "node_modules", "python_modules", "__pycache__", "build", "dist"})


class UnreadableError(Exception):
    """A path that cannot be checked; the text is the sentence shown to the user."""


def is_test(path: PurePath) -> bool:
    """Tell whether a file runs under pytest in CPython, where the traps of the runtime do not exist."""
    return path.name.startswith("test_") or path.name == "conftest.py" or "tests" in path.parent.parts


def python_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files named, and those below the folders named without tests, scripts, vendored packages and hidden folders.

    Raises UnreadableError for a path that does not exist.
    """
    for path in paths:
        if not path.exists():
            raise UnreadableError(f"{path}: there is no such file or folder; name the Worker's sources: worker-kit check src/")
        if path.is_file():
            yield path
            continue
        for file in sorted(path.rglob("*.py")):
            inside = file.relative_to(path)
            hidden = any(part in _SKIPPED or part.startswith(".") for part in inside.parent.parts)
            if not hidden and not is_test(inside):
                yield file


def read_source(path: Path) -> str:
    """Return a file's text in the encoding it declares; raises UnreadableError."""
    try:
        # Asked here, since tokenize takes it for a wrong encoding from Python 3.14 on.
        if b"\0" in path.read_bytes():
            raise UnreadableError(f"{path} is no Python: expected text, found a null byte; save it as text or leave it out")
        with tokenize.open(path) as file:
            return file.read()
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror}; make it readable or leave it out") from error
    except (UnicodeDecodeError, SyntaxError) as error:
        raise UnreadableError(f"{path}: expected text in UTF-8 or its declared encoding: {error}; save it as UTF-8") from error
