"""Disks that are too small or cannot be written: mounts of the tests' own, where the system allows them."""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MNT_DETACH = 1, 32, 4096, 2
_libc = ctypes.CDLL(None, use_errno=True)


def _mount(source: str, target: Path, kind: str, flags: int, data: str) -> None:
    """Call mount(2): the program `mount` insists on root, the system call on a capability alone."""
    if _libc.mount(source.encode(), os.fsencode(target), kind.encode(), flags, data.encode()) != 0:
        error = ctypes.get_errno()
        pytest.skip(f"this system lets tests mount nothing ({os.strerror(error)}); CAP_SYS_ADMIN is needed")


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount an empty disk of this size (`512k`, `2m`) on a new folder."""
    folder.mkdir()
    _mount("drydock-test", folder, "tmpfs", 0, f"size={size},mode=1777")
    try:
        yield folder
    finally:
        _libc.umount2(os.fsencode(folder), _MNT_DETACH)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """Make a folder read-only, for root too, by mounting it on itself."""
    _mount(str(folder), folder, "none", _MS_BIND, "")
    try:
        _mount(str(folder), folder, "none", _MS_BIND | _MS_REMOUNT | _MS_RDONLY, "")
        yield folder
    finally:
        _libc.umount2(os.fsencode(folder), _MNT_DETACH)


def fill(folder: Path) -> Path:
    """Take up all the space that is left on a disk; remove the returned file to have it back."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return path
