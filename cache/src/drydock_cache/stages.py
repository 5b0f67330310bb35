"""Stages that a crash left: told from living ones by the lock that every writer holds on its own."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from drydock_cache.folder_lock import FolderLock
from drydock_cache.staging_folder import sweep_folders


def abandoned(folder: Path) -> list[Path]:
    """Return the stages in `folder` that nobody writes any more, sorted. Raise OSError."""
    with FolderLock(folder, exclusive=True):  # none is between its making and its lock
        return [*_abandoned(folder, "*.part"), *_abandoned(folder, "*.folder")]


def sweep(folder: Path) -> int:
    """Remove them and return how many they were. Raise OSError."""
    swept = 0
    with FolderLock(folder, exclusive=True):
        for path in _abandoned(folder, "*.part"):
            path.unlink(missing_ok=True)
            swept += 1
        return swept + sweep_folders(folder)


def _abandoned(folder: Path, pattern: str) -> Iterator[Path]:
    for path in sorted(folder.glob(pattern)):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            yield path
        finally:
            os.close(descriptor)
