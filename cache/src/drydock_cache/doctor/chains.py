"""Certificate chains as servers show them: who signed whom, and for how long."""

import ssl
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from drydock_cache.errors import ConfigError
from drydock_cache.trust import read_certificates


@dataclass(frozen=True)
class Certificate:
    """What a certificate says: short names, the full ones, key identifiers (hexadecimal) and times in epoch seconds."""

    subject: str
    issuer: str
    subject_key: str
    issuer_key: str
    begins: float
    ends: float
    full_subject: bytes
    full_issuer: bytes

    @classmethod
    def parse(cls, der: bytes) -> "Certificate":
        """Read a certificate in DER; raise ValueError."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old roots of real systems have odd serial numbers
            read = x509.load_der_x509_certificate(der)
            return cls(
                _short(read.subject),
                _short(read.issuer),
                _subject_key(read),
                _issuer_key(read),
                read.not_valid_before_utc.timestamp(),
                read.not_valid_after_utc.timestamp(),
                read.subject.public_bytes(),
                read.issuer.public_bytes(),
            )

    @property
    def signs_itself(self) -> bool:
        """Whether it is a root, or a lone certificate that nobody vouches for."""
        return self.full_subject == self.full_issuer

    def may_have_signed(self, other: "Certificate") -> bool:
        """Tell by names and key identifiers whether this certificate is the issuer of `other`."""
        if self.full_subject != other.full_issuer:
            return False
        return not (self.subject_key and other.issuer_key) or self.subject_key == other.issuer_key


@dataclass(frozen=True)
class Chain:
    """What a server showed, its own certificate first, and OpenSSL's code of what is wrong with it (0: it verified).

    `company` says that a certificate of the company's files vouched for it.
    """

    shown: tuple[Certificate, ...] = ()
    code: int = 0
    company: bool = False

    @property
    def top(self) -> Certificate:
        """The certificate whose issuer would have to be known."""
        top = self.shown[0]
        for _ in self.shown:
            above = next((one for one in self.shown if one is not top and one.may_have_signed(top)), None)
            if above is None or above.signs_itself:
                return above or top
            top = above
        return top


def read_chain(ders: Iterable[bytes]) -> tuple[Certificate, ...]:
    """Read the certificates of a handshake, leaving out what cannot be read."""
    found = []
    for der in ders:
        try:
            found.append(Certificate.parse(der))
        except ValueError:
            continue
    return tuple(found)


def shown_by(tls: ssl.SSLObject, *, verified: bool) -> list[bytes]:
    """Return a handshake's certificates in DER: those that were verified, with the root, or those that were shown."""
    # public methods from Python 3.13 on, and in 3.12 those of the object below
    below: Any = tls if hasattr(tls, "get_verified_chain") else tls._sslobj  # type: ignore[attr-defined]
    chain = below.get_verified_chain() if verified else below.get_unverified_chain()
    return [one if isinstance(one, bytes) else one.public_bytes(2) for one in chain or ()]  # 2: DER


def certificates_in(path: Path) -> tuple[Certificate, ...]:
    """Read the certificates of a PEM file; none where it cannot be read."""
    try:
        return read_chain(ssl.PEM_cert_to_DER_cert(block) for block in read_certificates(path))
    except (ConfigError, ValueError):
        return ()


def issuer_name(der: bytes) -> str:
    """Return the whole name of who signed a certificate, as RFC 4514 writes it; raise ValueError for what is none."""
    return x509.load_der_x509_certificate(der).issuer.rfc4514_string()


def holders(missing_for: Certificate, files: dict[str, Sequence[Certificate]]) -> list[str]:
    """List the files that have the certificate that signed this one, or itself where it signs itself."""
    return [name for name, held in files.items() if any(one.may_have_signed(missing_for) for one in held)]


def _short(name: x509.Name) -> str:
    for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.ORGANIZATION_NAME):
        if found := name.get_attributes_for_oid(oid):
            return str(found[0].value)
    return name.rfc4514_string() or "nobody"


def _subject_key(read: x509.Certificate) -> str:
    try:
        return read.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
    except (x509.ExtensionNotFound, ValueError):
        return ""


def _issuer_key(read: x509.Certificate) -> str:
    try:
        found = read.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except (x509.ExtensionNotFound, ValueError):
        return ""
    return found.hex() if found else ""
