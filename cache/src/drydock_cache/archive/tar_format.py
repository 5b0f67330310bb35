"""Tar as export archives use it: one way to write a header, and a reader that takes no other.

A header follows from name and size alone, so a reader compares it with the one it expects: links, devices, paths that lead
out and long-name extensions are never interpreted, only named when they are refused.
"""

import tarfile
from collections.abc import Collection

from drydock_cache.archive.layout import ArchiveError

BLOCK = 512
END = bytes(2 * BLOCK)

# Every member is a plain file of nobody's, mode 0644, from the beginning of time, in GNU's dialect.
_MODE_AND_OWNER = b"0000644\0" + b"0000000\0" * 2
_TIME = b"00000000000\0"
_REST = bytes(100) + b"ustar  \0" + bytes(247)

_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.DIRTYPE: "a folder",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
    tarfile.GNUTYPE_LONGNAME: "a long-name extension",
    tarfile.GNUTYPE_LONGLINK: "a long-name extension",
    tarfile.XHDTYPE: "a pax extension",
    tarfile.XGLTYPE: "a pax extension",
    tarfile.SOLARIS_XHDTYPE: "a pax extension",
}


def header(name: str, size: int) -> bytes:
    """Return the one header of a member with this name, of at most 100 characters, and this size in bytes."""
    # octal where it fits, else the base-256 spelling of GNU tar
    digits = b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11)
    block = b"%b%b%b%8b0%b" % (name.encode("ascii").ljust(100, b"\0"), _MODE_AND_OWNER, digits + _TIME, b"", _REST)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padding(size: int) -> int:
    """Return how many zero bytes follow content of `size` bytes."""
    return -size % BLOCK


def declared_size(block: bytes, name: str) -> int:
    """Return the size that the header of the member `name` declares; raise ArchiveError when it is another header."""
    found = _parse(block)
    if found is None or found.name != name or block != header(name, max(found.size, 0)):
        raise refusal(block, name, None, (), (name,))
    return found.size


def refusal(block: bytes, name: str, size: int | None, seen: Collection[str], known: Collection[str]) -> ArchiveError:
    """Return the error for a header that is not that of `name` with `size` bytes, with the reason that weighs most.

    `seen` are the members read so far, `known` all that the archive may have.
    """
    return ArchiveError(f"The archive is refused: {_reason(block, name, size, seen, known)}.")


def _reason(block: bytes, name: str, size: int | None, seen: Collection[str], known: Collection[str]) -> str:
    if not any(block):
        return f"{name} is missing"
    found = _parse(block)
    if found is None:
        return f"what stands where {name} should begin is no tar header"
    shown = repr(found.name[:200])
    if found.name.startswith("/"):
        return f"the member {shown} has an absolute path"
    if ".." in found.name.split("/"):
        return f"the path of the member {shown} leads out of the archive"
    if found.type in _KINDS:
        return f"the member {shown} is {_KINDS[found.type]}; only plain files are taken"
    if found.name in seen:
        return f"the member {shown} is there twice"
    if found.name not in known:
        return f"the member {shown} is extra: SHA256SUMS does not name it" if len(known) > 1 else f"{name} is missing"
    if found.name != name:
        return f"{name} is missing, or the members are not in their order: {shown} comes instead"
    if size is not None and found.size != size:
        return f"the member {shown} declares {found.size:,} bytes; the manifest says {size:,}"
    return f"the header of {shown} is not one that an export writes"


def _parse(block: bytes) -> tarfile.TarInfo | None:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "backslashreplace")
    except tarfile.HeaderError:
        return None
