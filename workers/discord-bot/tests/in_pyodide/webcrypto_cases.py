"""The Worker's own check of signatures, by the runtime's native Ed25519; test_verification.py gives the cases."""

import json

from discord_bot.webcrypto import verify


async def case_every_vector_is_judged_rightly(values: dict[str, str]) -> None:
    """Public key, signature and message fit exactly where they should."""
    given = json.loads(values["VECTORS"])
    assert len(given) >= 8
    for public, signature, message, fits in given:
        key, value, text = (bytes.fromhex(part) for part in (public, signature, message))
        assert await verify(key, value, text) is fits, f"{public} {signature} {message}: expected {fits}"


async def case_a_key_that_is_none_signed_nothing() -> None:
    """A key of the wrong length is no error of the check."""
    assert await verify(b"\x01" * 31, b"\x01" * 64, b"") is False
