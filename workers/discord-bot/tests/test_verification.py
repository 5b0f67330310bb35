"""Ed25519: RFC 8032's own vectors, in the check that CPython's tests use and in the Worker's own, WebCrypto in Pyodide."""

import json
from datetime import UTC, datetime
from hashlib import sha512
from pathlib import Path

import pytest
from bot_bench import ed25519
from discord_bot.signatures import Signature, is_authentic, parse_signature
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from pyodide_harness.pyodide import Pyodide

WORKER = Path(__file__).parents[1]

VECTORS = {
    "test 1": (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    "test 2": (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    "test 3": (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    "test sha(abc)": (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
}
NO_POINT = "02" + "00" * 31
"""y = 2 has no x on the curve."""


def cases() -> list[tuple[str, str, str, bool]]:
    """Return public key, signature, message and whether they belong together."""
    found = [(public, signature, message, True) for _, public, message, signature in VECTORS.values()]
    _, public, message, signature = VECTORS["test 3"]
    raised = (int.from_bytes(bytes.fromhex(signature)[32:], "little") + ed25519.L).to_bytes(32, "little").hex()
    wrong = [
        (public, signature, message + "00"),
        (public, "00" * 64, message),
        (NO_POINT, signature, message),
        (public, signature[:64] + raised, message),
    ]
    return found + [(*case, False) for case in wrong]


@pytest.mark.parametrize("name", VECTORS)
def test_the_tests_own_signer_makes_the_vectors(name: str) -> None:
    secret, public, message, signature = VECTORS[name]
    assert ed25519.public_key(bytes.fromhex(secret)).hex() == public
    assert ed25519.sign(bytes.fromhex(secret), bytes.fromhex(message)).hex() == signature


@pytest.mark.parametrize(("public", "signature", "message", "fits"), cases())
async def test_the_verifier_of_cpython_agrees_with_the_vectors_and_with_libsodium(
    public: str, signature: str, message: str, fits: bool
) -> None:
    key, value, text = (bytes.fromhex(part) for part in (public, signature, message))
    try:
        VerifyKey(key).verify(text, value)
        theirs = True
    except BadSignatureError:
        theirs = False
    assert await ed25519.verify(key, value, text) is theirs is fits


def test_webcrypto_in_pyodide_agrees_with_the_vectors(pyodide: Pyodide) -> None:
    """The Worker's own module, in the runtime's Python and with its native Ed25519."""
    found = pyodide.cases(["webcrypto_cases"], [WORKER / "src", WORKER / "tests/in_pyodide"], VECTORS=json.dumps(cases()))
    assert [case for case in found if not case["ok"]] == []
    assert len(found) == 2


async def test_a_public_key_that_is_none_is_an_error_and_no_crash() -> None:
    now = datetime.now(UTC)
    signature = parse_signature("00" * 64, str(int(now.timestamp())), now)
    assert isinstance(signature, Signature)
    for key in ("", "00", "zz" * 32, "00 " * 32, "00" * 33):
        with pytest.raises(ValueError, match="DISCORD_PUBLIC_KEY is not 64 hexadecimal digits"):
            await is_authentic(signature, b"", key, ed25519.verify)
