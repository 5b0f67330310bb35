"""File stamps: whether a file is still the one that was read, without reading it."""

from pathlib import Path

type FileStamp = tuple[int, int, int, int]


def file_stamp(path: Path) -> FileStamp:
    """Return device, inode, size and time of last change in nanoseconds; raise OSError."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
