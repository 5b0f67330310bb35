"""Subresource Integrity: whether bytes are those that an npm lock names, by whatever algorithm it names them."""

import hashlib
from base64 import b64encode

from drydock_cache.blobs import VerifiedBlob

_BY_STRENGTH = ("sha512", "sha384", "sha256", "sha1")
_READ_SIZE = 1 << 20


def integrity_mismatch(integrity: str, blob: VerifiedBlob) -> str:
    """Return the integrity that the blob really has, or an empty text when `integrity` allows its bytes.

    Of several algorithms the strongest counts, and of several digests by it each is allowed; one that names no known
    algorithm allows everything (W3C Subresource Integrity, §3.3).
    """
    tokens = [token.partition("?")[0].partition("-") for token in integrity.split()]
    for algorithm in _BY_STRENGTH:
        allowed = [digest for name, _, digest in tokens if name == algorithm]
        if allowed:
            found = _digest(algorithm, blob)
            return "" if found in allowed else f"{algorithm}-{found}"
    return ""


def _digest(algorithm: str, blob: VerifiedBlob) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    offset = 0
    while offset < blob.blob.size:
        data = blob.read_at(offset, _READ_SIZE)
        digest.update(data)
        offset += len(data)
    return b64encode(digest.digest()).decode()
