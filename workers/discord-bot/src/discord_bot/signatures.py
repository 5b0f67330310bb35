"""Whether an interaction really comes from Discord: form and age of its signature, then Ed25519 over the raw body."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
OLDEST = 300
"""Seconds that a signed timestamp may differ from now; an older one is a replay, a newer one a wrong clock."""

type Verifier = Callable[[bytes, bytes, bytes], Awaitable[bool]]
"""Tells whether (public key, signature, message) belong together (RFC 8032, section 5.1.7)."""


@dataclass(frozen=True)
class Signature:
    """The two headers of an interaction in a form that can be checked."""

    value: bytes
    timestamp: str


def parse_signature(signature: str | None, timestamp: str | None, now: datetime) -> Signature:
    """Return the headers as a Signature; raise ValueError, whose text says what is wrong with them."""
    if signature is None or timestamp is None:
        raise ValueError("X-Signature-Ed25519 and X-Signature-Timestamp are both needed")
    value = _from_hex(signature, SIGNATURE_BYTES, "X-Signature-Ed25519")
    # int() would also take digits of other scripts, signs, spaces and underscores.
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise ValueError("X-Signature-Timestamp is not a number of seconds")
    if abs(now.timestamp() - int(timestamp)) > OLDEST:
        raise ValueError(f"X-Signature-Timestamp is more than {OLDEST} seconds away from now")
    return Signature(value, timestamp)


async def is_authentic(signature: Signature, body: bytes, public_key: str, verify: Verifier) -> bool:
    """Tell whether `public_key` (hexadecimal) signed `body` at that time; raise ValueError where the key is none."""
    key = _from_hex(public_key, PUBLIC_KEY_BYTES, "DISCORD_PUBLIC_KEY")
    return await verify(key, signature.value, signature.timestamp.encode() + body)


def _from_hex(text: str, length: int, name: str) -> bytes:
    # bytes.fromhex() would pass over white space.
    if not re.fullmatch(rf"[0-9a-fA-F]{{{2 * length}}}", text):
        raise ValueError(f"{name} is not {2 * length} hexadecimal digits")
    return bytes.fromhex(text)
