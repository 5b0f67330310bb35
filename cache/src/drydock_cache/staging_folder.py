"""Folders below staging/ for many files that are to appear together: held by a lock, and swept when their process is gone."""

import ctypes
import fcntl
import os
import shutil
import uuid
from pathlib import Path

from drydock_cache.folder_lock import FolderLock


class StagingFolder:
    """A new folder below `staging`; raises OSError when it cannot be made."""

    def __init__(self, staging: Path) -> None:
        self.path = staging / f"{uuid.uuid4().hex}.folder"
        with FolderLock(staging, exclusive=False):  # a sweep cannot come between the folder and its lock
            self.path.mkdir()
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def sync(self) -> None:
        """Wait until all files in it are on the disk. Raise OSError."""
        # one call for thousands of files, which take a second each hundred when they are synced one by one
        if (syncfs := getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)) is None:
            os.sync()  # not Linux
        elif syncfs(self._descriptor):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def remove(self) -> None:
        """Remove the folder with everything that is still in it; safe to call twice."""
        if self._descriptor >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._descriptor)
            self._descriptor = -1


def sweep_folders(staging: Path) -> int:
    """Remove the folders that nobody holds and return how many; the caller holds the exclusive lock of `staging`."""
    swept = 0
    for path in staging.glob("*.folder"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path)
            swept += 1
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)
    return swept
