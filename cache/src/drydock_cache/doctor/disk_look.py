"""Looks at a store's folder without changing it: free space, a test file that is removed again, the index, the quarantine."""

import os
import sqlite3
import tempfile
from pathlib import Path

from drydock_cache.doctor.disk import DiskSeen
from drydock_cache.errors import DrydockError
from drydock_cache.store import Store

_TEST_BYTES = 256 << 10


def look_at_disk(root: Path) -> DiskSeen:
    """Look at the store at `root`, or at the folder that it would be made in."""
    index = root / "index.sqlite"
    place = next(folder for folder in (root.absolute(), *root.absolute().parents) if folder.is_dir())
    try:
        counted = os.statvfs(place)
    except OSError:
        free = free_files = -1
    else:
        free = counted.f_bavail * counted.f_frsize
        free_files = counted.f_favail if counted.f_files else -1
    damage, mend, responses, missing = "", "", 0, 0
    exists = index.exists()
    if exists:
        try:
            responses, missing = _count(root)
        except DrydockError as error:
            damage, mend = error.message, error.remedy
        except (sqlite3.Error, OSError) as error:
            damage = str(error)
    return DiskSeen(str(root), exists, _try_to_write(place), free, free_files, damage, mend, responses, missing, _aside(root))


def _try_to_write(folder: Path) -> str:
    """Return why no file can be written there, or nothing."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(os.urandom(_TEST_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return f"{folder}: {error.strerror or error}"
    return ""


def _count(root: Path) -> tuple[int, int]:
    store = Store.open_read_only(root)
    try:
        present = store.blobs.names()
        digests = [digest for _, _, digest, _, _ in store.index.light()]
    finally:
        store.close()
    return len(digests), sum(digest not in present for digest in digests)


def _aside(root: Path) -> int:
    try:
        return sum(1 for _ in (root / "quarantine").iterdir())
    except OSError:
        return 0
