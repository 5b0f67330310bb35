"""Whom upstream is believed: the system and the CA files that are given, whatever else stands in them."""

import ssl
from pathlib import Path

import pytest
from drydock_cache import trust as module
from drydock_cache.errors import ConfigError
from drydock_cache.trust import Trust, read_certificates, trust_context

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
    """Comments in any encoding, a byte order mark: the certificates alone are read."""
    path = tmp_path / "ca.pem"
    other = Authority.create("Another root")
    path.write_bytes(between + authority.certificate + between + other.certificate + between)
    found = subjects(trust_context([path]))
    assert sum("Internet test root" in subject or "Another root" in subject for subject in found) == 2


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (None, "cannot be read: No such file"),
        (b"", "expected at least one certificate, found nothing"),
        (b"hello", "neither PEM nor DER: .* found no certificate"),
        (b"\x30\x82\x01", "holds a certificate that cannot be read"),
        (b"-----BEGIN CERTIFICATE-----\nnever closed", "found no certificate"),
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
    assert "DRYDOCK_CORPORATE_CA" in caught.value.remedy


def test_der_and_folders_are_read_too(authority: Authority, tmp_path: Path) -> None:
    """As a company hands them out: one file of DER, several PEM blocks in another; what has another suffix is left alone."""
    folder = tmp_path / "company"
    folder.mkdir()
    (folder / "one.cer").write_bytes(ssl.PEM_cert_to_DER_cert(authority.certificate.decode()))
    two, three = Authority.create("Second root"), Authority.create("Third root")
    (folder / "more.pem").write_bytes(two.certificate + three.certificate)
    (folder / "README.txt").write_text("not a certificate")
    found = subjects(trust_context([folder]))
    for name in ("Internet test root", "Second root", "Third root"):
        assert sum(name in subject for subject in found) == 1
    assert len(read_certificates(folder)) == 3


def test_a_folder_without_certificates_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no file that ends in"):
        trust_context([tmp_path])


@pytest.mark.parametrize("beside", [True, False])
def test_a_private_key_is_refused(tmp_path: Path, beside: bool) -> None:
    """A key in a file that goes into images and containers is a mistake that is said, not used; nothing of it is shown."""
    path = tmp_path / "ca.pem"
    other = Authority.create("Another root")
    path.write_bytes(other.key + (other.certificate if beside else b""))
    with pytest.raises(ConfigError, match=f"{path} holds a private key") as caught:
        trust_context([path])
    assert other.key.splitlines()[1].decode() not in str(caught.value)
    assert "openssl x509" in caught.value.remedy


def test_a_changed_file_is_read_again_without_a_restart(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it held before is believed no longer; what cannot be used leaves all as it was."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)
    path = authority.write(tmp_path / "ca.pem")
    trust = Trust([path])
    first = trust.current()
    assert trust.current() is first
    path.write_text("garbage")
    assert trust.current() is first
    path.write_bytes(Authority.create("Second root").certificate)
    second = trust.current()
    assert (second is not first, trust.generation) == (True, 1)
    assert any("Second root" in subject for subject in subjects(second))
    assert not any("Internet test root" in subject for subject in subjects(second))
