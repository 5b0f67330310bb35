"""The manifest of an export archive: one JSON object a line, so that a reader's memory does not grow with it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import IO, Any

from drydock_cache.archive.layout import BLOBS, FORMAT, MANIFEST, MAX_LOCK, MAX_MEMBERS, VERSION, ArchiveError, order
from drydock_cache.archive.rows import believed_response, decode, encode, refused, response, row, whole
from drydock_cache.blobs import Blob
from drydock_cache.digest import Digest
from drydock_cache.errors import DrydockError
from drydock_cache.index import StoredResponse

_HEAD_FIELDS = frozenset({"format", "version", "drydock", "as_of", "members", "blobs", "held", "responses"})
_MAX_LINE = 32 << 20


@dataclass(frozen=True)
class Head:
    """The first line: how much of each kind follows, and how new the newest stored response is (seconds since 1970)."""

    as_of: float
    members: int
    blobs: int
    held: int
    responses: int


@dataclass(frozen=True)
class Listing:
    """What a manifest lists before the responses: sizes of members in bytes, by name, and the blobs left out."""

    head: Head
    sizes: dict[str, int]
    held: tuple[Blob, ...]

    @property
    def total(self) -> int:
        """The size of all members together, in bytes."""
        return sum(self.sizes.values())

    def blobs(self) -> Iterator[Blob]:
        """Yield the blobs that the archive carries, ordered by digest."""
        for name, size in self.sizes.items():
            if name.startswith(BLOBS):
                yield Blob(Digest(name.removeprefix(BLOBS)), size)


def write_manifest(
    file: IO[bytes],
    as_of: float,
    members: Iterable[tuple[str, int]],
    blobs: tuple[Blob, ...],
    held: tuple[Blob, ...],
    responses: tuple[StoredResponse, ...],
) -> None:
    """Write a manifest: `members` are those beside it and the blobs, `held` the blobs that the far side is known to have."""
    others = sorted(members, key=lambda member: order(member[0]))
    head = {
        "format": FORMAT,
        "version": VERSION,
        "drydock": version("drydock-cache"),
        "as_of": float(as_of),
        "members": len(others),
        "blobs": len(blobs),
        "held": len(held),
        "responses": len(responses),
    }
    file.write(encode(head))
    file.writelines(encode({"member": name, "size": size}) for name, size in others)
    file.writelines(encode({"blob": blob.digest.hex, "size": blob.size}) for blob in blobs)
    file.writelines(encode({"held": blob.digest.hex, "size": blob.size}) for blob in held)
    file.writelines(encode(row(stored)) for stored in responses)


class Manifest:
    """A manifest that is read from a file, line by line; everything in it is checked."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        file.seek(0)
        self._number = 0
        head = _head(self._line())
        members = dict(self._sized("member", head.members))
        blobs = {BLOBS + name: size for name, size in self._sized("blob", head.blobs)}
        held = tuple(Blob(self._digest(name), size) for name, size in self._sized("held", head.held))
        sizes = members | blobs
        in_order = all(list(names) == sorted(names, key=self._order) for names in (members, blobs))
        if len(sizes) != head.members + head.blobs or not in_order:
            raise refused(1, "does not lead to members in their order, each once")
        self.listing = Listing(head, dict(sorted(sizes.items(), key=lambda item: order(item[0]))), held)
        self._rows_at = (file.tell(), self._number)
        self._believed = False

    def responses(self) -> Iterator[StoredResponse]:
        """Yield the stored responses, ordered by URL and variant; raise ArchiveError for what cannot be believed.

        What was read to its end once is not checked again: nobody else writes the file that it lies in.
        """
        sizes = {blob.digest: blob.size for blob in (*self.listing.blobs(), *self.listing.held)}
        position, self._number = self._rows_at
        self._file.seek(position)
        if self._believed:
            for _ in range(self.listing.head.responses):
                yield believed_response(self._file.readline(_MAX_LINE), sizes)
            return
        last = None
        for _ in range(self.listing.head.responses):
            stored = response(self._line(), self._number, sizes)
            if last is not None and stored.key <= last:
                raise refused(self._number, f"has {stored.key.url} twice, or not in its order")
            last = stored.key
            yield stored
        if self._file.read(1):
            raise refused(self._number + 1, "is one more than the first line says")
        self._believed = True

    def _sized(self, kind: str, count: int) -> Iterator[tuple[str, int]]:
        for _ in range(count):
            entry = self._line()
            if entry.keys() != {kind, "size"} or not isinstance(entry[kind], str) or not whole(entry["size"]):
                raise refused(self._number, f"is no entry of a {kind} with its size")
            yield entry[kind], entry["size"]

    def _line(self) -> dict[str, Any]:
        self._number += 1
        line = self._file.readline(_MAX_LINE)
        if not line:
            raise refused(self._number, "is missing")
        return decode(line, self._number)

    def _digest(self, text: str) -> Digest:
        try:
            return Digest(text)
        except DrydockError:
            raise refused(self._number, "has no sha256 digest") from None

    def _order(self, name: str) -> tuple[int, str]:
        place = order(name)
        if name == MANIFEST:
            raise refused(1, "lists the manifest itself")
        return place


def agree(listing: Listing, sums: dict[str, Digest], max_total: int) -> None:
    """Raise ArchiveError unless manifest and SHA256SUMS list the same members, of no more than `max_total` bytes together."""
    named = [name for name in sums if name != MANIFEST]
    if named != list(listing.sizes):
        strays = sorted(set(named) ^ set(listing.sizes))
        raise ArchiveError(
            f"The archive is refused: manifest and SHA256SUMS list different members, {strays[0] if strays else named[0]} first."
        )
    for name, size in listing.sizes.items():
        if name.startswith("locks/") and size > MAX_LOCK:
            raise ArchiveError(f"The archive is refused: {name} has {size:,} bytes; a lock has at most {MAX_LOCK:,}.")
    if listing.total > max_total:
        raise ArchiveError(
            f"The archive is refused: it holds {listing.total:,} bytes; at most {max_total:,} are taken.",
            "When you trust its maker, allow more with --max-size, such as --max-size 500G",
        )


def _head(entry: dict[str, Any]) -> Head:
    if entry.get("format") != FORMAT or not whole(entry.get("version")):
        raise ArchiveError(f"The archive is refused: its {MANIFEST} is not that of an export.")
    if entry["version"] > VERSION:
        raise ArchiveError(
            f"The archive has format version {entry['version']}; this drydock knows {VERSION}.",
            "Import it with the drydock that wrote it, or a newer one.",
        )
    counts: list[Any] = [entry.get(name) for name in ("members", "blobs", "held", "responses")]
    if entry.keys() != _HEAD_FIELDS or not isinstance(entry["as_of"], float) or not all(whole(count) for count in counts):
        raise refused(1, "is not one that an export writes")
    if sum(counts[:3], 0) > MAX_MEMBERS:
        raise ArchiveError(f"The archive is refused: it lists more than {MAX_MEMBERS:,} members.")
    return Head(entry["as_of"], *counts)
