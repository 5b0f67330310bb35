"""The layout of an export archive: its members in their order, the limits of each, and the error for what departs from them.

An archive is one zstd frame around a tar of plain files. What vouches for the rest comes first, so that a reader knows name,
size and digest of everything before it is read:

    SHA256SUMS.sig         Ed25519 signature over SHA256SUMS, 64 bytes
    signer.pem             the public key that it was made with
    SHA256SUMS             digest and name of every member below, in their order
    manifest.jsonl         what there is: head, members, blobs, stored responses; one JSON object a line
    sbom.cdx.json          CycloneDX 1.6
    locks/NAME             lock files
    blobs/sha256/DIGEST    the content of stored responses
    images.tar             container images, as docker save writes them
"""

import re

from drydock_cache.digest import Digest
from drydock_cache.errors import DrydockError

FORMAT = "drydock-export"
VERSION = 1

SIGNATURE = "SHA256SUMS.sig"
SIGNER = "signer.pem"
SUMS = "SHA256SUMS"
MANIFEST = "manifest.jsonl"
SBOM = "sbom.cdx.json"
IMAGES = "images.tar"
LOCKS = "locks/"
BLOBS = "blobs/sha256/"

SIGNATURE_SIZE = 64
# What is read before anything vouches for it, in bytes.
MAX_SIGNER = 1024
MAX_SUMS = 32 << 20
MAX_MANIFEST = 512 << 20
MAX_MEMBERS = 100_000
MAX_LOCK = 64 << 20
# Without --max-size: far more than a toolchain needs, far less than what fills a file server.
MAX_TOTAL = 256 << 30

_LOCK_NAME = re.compile(r"locks/[A-Za-z0-9_][A-Za-z0-9._-]{0,79}")


class ArchiveError(DrydockError):
    """An export archive is refused, or cannot be made."""


def blob_name(digest: Digest) -> str:
    """Return the member that holds the blob of `digest`."""
    return BLOBS + digest.hex


def is_lock_name(name: str) -> bool:
    """Say whether a member's name is that of a lock file: one plain file name below locks/."""
    return _LOCK_NAME.fullmatch(name) is not None


def order(name: str) -> tuple[int, str]:
    """Return the key by which members are sorted; raise ArchiveError for a name that no archive has."""
    if name in (MANIFEST, SBOM):
        return (0 if name == MANIFEST else 1), name
    if is_lock_name(name):
        return 2, name
    if name.startswith(BLOBS) and re.fullmatch(r"[0-9a-f]{64}", name.removeprefix(BLOBS)):
        return 3, name
    if name == IMAGES:
        return 4, name
    raise ArchiveError(f"The archive is refused: {SUMS} names {name!r}, which is no member of an export archive.")
