"""SHA256SUMS of an export archive: the one file that is signed, in the format of sha256sum."""

import re
from collections.abc import Iterable

from drydock_cache.archive.layout import BLOBS, MANIFEST, MAX_MEMBERS, SBOM, SUMS, ArchiveError, order
from drydock_cache.digest import Digest

_LINE = re.compile(r"([0-9a-f]{64})  ([!-~]+)")


def write_sums(members: Iterable[tuple[str, Digest]]) -> bytes:
    """Return SHA256SUMS for (name, digest) pairs, in the order in which the archive has them."""
    ordered = sorted(members, key=lambda member: order(member[0]))
    return "".join(f"{digest.hex}  {name}\n" for name, digest in ordered).encode("ascii")


def read_sums(data: bytes) -> dict[str, Digest]:
    """Read SHA256SUMS back, in its order; raise ArchiveError unless it is exactly what `write_sums` writes."""
    sums: dict[str, Digest] = {}
    last: tuple[int, str] | None = None
    for number, line in enumerate(_lines(data), 1):
        if number > MAX_MEMBERS:
            raise ArchiveError(f"The archive is refused: {SUMS} names more than {MAX_MEMBERS:,} members.")
        match = _LINE.fullmatch(line)
        if match is None:
            raise ArchiveError(
                f"The archive is refused: line {number} of {SUMS} is {line[:80]!r}; expected a sha256 and a name."
            )
        digest, name = Digest(match[1]), match[2]
        place = order(name)
        if last is not None and place <= last:
            how = "names it twice" if place == last else "does not list it in its order"
            raise ArchiveError(f"The archive is refused: {name}: {SUMS} {how}.")
        if name.startswith(BLOBS) and name != BLOBS + digest.hex:
            raise ArchiveError(f"The archive is refused: {SUMS} gives {name} the digest {digest}; a blob is named by its own.")
        sums[name], last = digest, place
    if list(sums)[:2] != [MANIFEST, SBOM]:
        raise ArchiveError(f"The archive is refused: {SUMS} does not begin with {MANIFEST} and {SBOM}.")
    return sums


def _lines(data: bytes) -> Iterable[str]:
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise ArchiveError(f"The archive is refused: {SUMS} is not plain ASCII.") from None
    if not text.endswith("\n"):
        raise ArchiveError(f"The archive is refused: {SUMS} does not end with a line end.")
    return text[:-1].split("\n")
