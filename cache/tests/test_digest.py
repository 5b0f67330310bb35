"""Digests: one value in every spelling that lock files and runtimes use."""

import pytest
from drydock_cache.digest import Digest
from drydock_cache.errors import DigestError

HEX = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
SRI = "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="


@pytest.mark.parametrize("text", [HEX, HEX.upper(), f"sha256:{HEX}", f"sha256={HEX}", SRI, f" {SRI}\n"])
def test_every_spelling_is_the_same_digest(text: str) -> None:
    digest = Digest.parse(text)
    assert digest == Digest.of(b"abc") == Digest(HEX)
    assert (str(digest), digest.sri) == (f"sha256:{HEX}", SRI)


@pytest.mark.parametrize(
    "text",
    ["", "sha256:", HEX[:-1], HEX + "0", "g" + HEX[1:], f"sha512:{HEX}", "sha256-!!!", "sha256-YWJj", "../../etc/passwd"],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    """A digest becomes a file's name: nothing but 64 hexadecimal digits may."""
    with pytest.raises(DigestError, match="is not a sha256 digest"):
        Digest.parse(text)


@pytest.mark.parametrize("text", [HEX.upper(), "", f"{HEX}\n"])
def test_a_digest_itself_is_lower_case_hex(text: str) -> None:
    with pytest.raises(DigestError):
        Digest(text)
