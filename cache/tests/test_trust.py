"""Whom upstream is believed: the system and the CA files that are given, whatever else stands in them."""

import ssl
from pathlib import Path

import pytest
from drydock_cache.errors import ConfigError
from drydock_cache.trust import trust_context

from tests.upstream.pki import Authority


def subjects(context: ssl.SSLContext) -> list[str]:
    return [str(certificate["subject"]) for certificate in context.get_ca_certs()]


def test_a_ca_file_adds_to_the_system(authority: Authority, tmp_path: Path) -> None:
    """Names are still verified, and so is the chain."""
    before = len(subjects(trust_context([])))
    context = trust_context([authority.write(tmp_path / "ca.pem")])
    assert len(subjects(context)) == before + 1
    assert any("Internet test root" in subject for subject in subjects(context))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize(
    "between", [b"", b"# Gr\xc3\xb6\xc3\x9fe\n", "# Gr\u00f6\u00dfe\n".encode("latin-1"), b"\xef\xbb\xbf", b"subject=x\r\n"]
)
def test_what_people_write_between_certificates_does_not_count(authority: Authority, tmp_path: Path, between: bytes) -> None:
    """Comments in any encoding, a byte order mark, keys: the certificates alone are read."""
    path = tmp_path / "ca.pem"
    other = Authority.create("Another root")
    path.write_bytes(between + authority.certificate + between + other.key + other.certificate + between)
    found = subjects(trust_context([path]))
    assert sum("Internet test root" in subject or "Another root" in subject for subject in found) == 2


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (None, "cannot be read: No such file"),
        (b"", "expected at least one certificate, found nothing"),
        (b"hello", "found no certificate block"),
        (b"\x30\x82\x01", "found DER"),
        (b"-----BEGIN CERTIFICATE-----\nnever closed", "found no certificate block"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds a certificate that cannot be read"),
    ],
)
def test_a_file_that_is_no_ca_is_said_in_one_sentence(tmp_path: Path, content: bytes | None, finding: str) -> None:
    """What, where, expected, found, and the command that mends it."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=finding) as caught:
        trust_context([path])
    assert str(path) in caught.value.message
    assert "openssl x509 -inform der" in caught.value.remedy


def test_a_folder_is_no_ca_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        trust_context([tmp_path])
