"""Locks between processes (and threads), held on a folder: they are gone with the process that held them."""

import fcntl
import os
from pathlib import Path
from types import TracebackType


class FolderLock:
    """A lock for the time of a `with` block: shared by many, or exclusive to one. Waits for it; raises OSError."""

    def __init__(self, folder: Path, *, exclusive: bool) -> None:
        self._folder = folder
        self._mode = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH

    def __enter__(self) -> None:
        self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._descriptor, self._mode)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._descriptor)
