"""Certificate authorities of the tests' own, and leaves for names and addresses."""

import datetime as dt
import hashlib
import ipaddress
import ssl
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Leaf:
    """A certificate with its key, both PEM."""

    certificate: bytes
    key: bytes

    @property
    def sha256(self) -> str:
        """Return the fingerprint of the certificate's DER form, in hex."""
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.certificate.decode())).hexdigest()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


class Authority:
    """A root that signs what a test asks for."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key
        self._leaves: dict[str, Leaf] = {}

    @classmethod
    def create(cls, name: str, by: "Authority | None" = None) -> "Authority":
        """Make a root, or what another one vouches for, valid from yesterday for ten years."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = by._certificate.subject if by else _name(name)
        now = dt.datetime.now(dt.UTC)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        certificate = (
            x509.CertificateBuilder(issuer, _name(name), key.public_key(), x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + 3650 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(by._key if by else key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def kept_in(cls, directory: Path, name: str) -> "Authority":
        """Load the root kept in `directory`, or make it and keep it there."""
        certificate, key = directory / "ca.pem", directory / "ca.key"
        if not key.exists():
            made = cls.create(name)
            certificate.write_bytes(made.certificate)
            key.touch(mode=0o600)
            key.write_bytes(made.key)
            return made
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{key}: expected an EC key, found {type(loaded).__name__}")
        return cls(x509.load_pem_x509_certificate(certificate.read_bytes()), loaded)

    @property
    def certificate(self) -> bytes:
        """Return the root's certificate as PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key(self) -> bytes:
        """Return the root's key as PEM, for a server that signs by itself."""
        return _key_pem(self._key)

    def write(self, path: Path) -> Path:
        """Write the root's certificate to `path` and return it."""
        path.write_bytes(self.certificate)
        return path

    def leaf(self, *names: str, start: dt.datetime | None = None, end: dt.datetime | None = None) -> Leaf:
        """Sign a server certificate for host names and addresses, valid from yesterday for a year unless said otherwise."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            x509.CertificateBuilder(self._certificate.subject, _name(names[0]), key.public_key(), x509.random_serial_number())
            .not_valid_before(start or now - DAY)
            .not_valid_after(end or now + 365 * DAY)
            .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Leaf(certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key))

    def leaf_of(self, name: str) -> Leaf:
        """Return the one leaf for a host name that servers show."""
        if name not in self._leaves:
            self._leaves[name] = self.leaf(name)
        return self._leaves[name]

    def by_name(
        self, names: Sequence[str] | None, default: str, seen: Callable[[ssl.SSLObject | ssl.SSLSocket, str], None]
    ) -> ssl.SSLContext:
        """Make a server context that shows the leaf of the name a client asks for.

        names: what is answered; None means any name. Others are refused with the alert unrecognized_name.
        default: the leaf for a client that names nobody.
        seen: told each connection and the name it asked for.
        """
        contexts: dict[str, ssl.SSLContext] = {}

        def choose(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> int | None:
            if name is None:
                return None
            seen(connection, name)
            if names is not None and name not in names:
                return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
            if name not in contexts:
                contexts[name] = server_context(self.leaf_of(name))
            connection.context = contexts[name]
            return None

        context = server_context(self.leaf_of(default))
        context.sni_callback = choose
        return context


def server_context(leaf: Leaf) -> ssl.SSLContext:
    """Make a TLS context that shows one leaf."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.NamedTemporaryFile() as file:  # the ssl module reads certificates from files alone
        file.write(leaf.certificate + leaf.key)
        file.flush()
        context.load_cert_chain(file.name)
    return context
