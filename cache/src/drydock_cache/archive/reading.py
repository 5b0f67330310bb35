"""Reading an export archive up to its manifest: who signed it, whether that is who was expected, and what it lists."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from drydock_cache.archive.layout import (
    MANIFEST,
    MAX_MANIFEST,
    MAX_SIGNER,
    MAX_SUMS,
    SIGNATURE,
    SIGNATURE_SIZE,
    SIGNER,
    SUMS,
    ArchiveError,
)
from drydock_cache.archive.manifest import Listing, Manifest, agree
from drydock_cache.archive.members import MemberReader
from drydock_cache.archive.parts import PartReader
from drydock_cache.archive.signing import Signer
from drydock_cache.archive.sums import read_sums
from drydock_cache.digest import Digest


@dataclass(frozen=True)
class Trust:
    """Whose signature is taken: that of one signer, or with `anybody` every one that fits."""

    signer: Signer | None = None
    anybody: bool = False

    def check(self, signer: Signer) -> None:
        """Raise ArchiveError unless this signer is taken."""
        if self.signer == signer or (self.signer is None and self.anybody):
            return
        if self.signer is None:
            raise ArchiveError(
                f"The archive is signed by {signer}, and whose signature is trusted was not said.",
                f"When drydock export printed that name on the other side, import it with --key {signer}",
            )
        raise ArchiveError(
            f"The archive is refused: it is signed by {signer}; expected {self.signer}.",
            "Get the archive, or the name of its signer, from its maker once more.",
        )


type Sink = AbstractContextManager[Callable[[bytes], object]]


class Archive:
    """An archive whose signature fits and whose manifest was checked; its members can be read once."""

    def __init__(self, members: MemberReader, signer: Signer, sums: dict[str, Digest], manifest: Manifest) -> None:
        self._members = members
        self._sums = sums
        self.signer = signer
        self.manifest = manifest

    @property
    def listing(self) -> Listing:
        """What the manifest lists."""
        return self.manifest.listing

    def read(self, sink: Callable[[str, int], Sink]) -> None:
        """Hand each member below the manifest to the sink that is made for (name, size), to the exact end of the archive.

        Raise ArchiveError for whatever is not as it was signed.
        """
        for name, size in self.listing.sizes.items():
            with sink(name, size) as write:
                self._members.expect(name, size, self._sums[name], write, self._sums)
        self._members.end()


@contextmanager
def opened(source: PartReader, trust: Trust, max_total: int) -> Iterator[Archive]:
    """Read an archive up to its manifest; raise ArchiveError unless a trusted signature vouches for all of that."""
    members = MemberReader(source)
    signature = members.small(SIGNATURE, SIGNATURE_SIZE)
    pem = members.small(SIGNER, MAX_SIGNER)
    data = members.small(SUMS, MAX_SUMS)
    try:
        signer = Signer.from_pem(pem)
    except ValueError as error:
        raise ArchiveError(f"The archive is refused: its {SIGNER} is {error}.") from None
    if not signer.signed(signature, data):
        raise ArchiveError(
            f"The archive is refused: its signature does not fit: {SUMS} was changed, or {signer} did not sign it.",
            "Get the archive from its maker once more.",
        )
    trust.check(signer)
    sums = read_sums(data)
    with tempfile.TemporaryFile() as spool:
        found = members.spool(MANIFEST, MAX_MANIFEST, spool)
        if found != sums[MANIFEST]:
            raise ArchiveError(
                f"The archive is refused: {MANIFEST} is not what was signed: expected {sums[MANIFEST]}, found {found}."
            )
        manifest = Manifest(spool)
        agree(manifest.listing, sums, max_total)
        yield Archive(members, signer, sums, manifest)
