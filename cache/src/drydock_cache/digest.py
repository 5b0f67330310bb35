"""Digests: the sha256 names of blobs, in every spelling that lock files and runtimes use."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from drydock_cache.errors import DigestError

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, order=True)
class Digest:
    """The sha256 of some bytes; `hex` is 64 lower-case hexadecimal digits."""

    hex: str

    def __post_init__(self) -> None:
        if not _HEX.fullmatch(self.hex):
            raise DigestError(f"{self.hex!r} is not a sha256 digest: expected 64 lower-case hexadecimal digits.")

    def __str__(self) -> str:
        return f"sha256:{self.hex}"

    @property
    def sri(self) -> str:
        """The spelling of Subresource Integrity, `sha256-<base64>`, which workerd and npm use."""
        return "sha256-" + base64.b64encode(bytes.fromhex(self.hex)).decode()

    @classmethod
    def parse(cls, text: str) -> "Digest":
        """Read `<hex>`, `sha256:<hex>`, `sha256=<hex>` or `sha256-<base64>`; raise DigestError for anything else."""
        spelling = text.strip()
        if spelling.startswith("sha256-"):
            try:
                return cls(base64.b64decode(spelling.removeprefix("sha256-"), validate=True).hex())
            except (binascii.Error, DigestError):
                raise DigestError(f"{text!r} is not a sha256 digest: expected sha256-<base64 of 32 bytes>.") from None
        return cls(re.sub(r"^sha256[:=]", "", spelling).lower())

    @classmethod
    def of(cls, data: bytes) -> "Digest":
        """Return the digest of `data`."""
        return cls(hashlib.sha256(data).hexdigest())
