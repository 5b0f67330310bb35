"""A certificate authority for one conversation: made in memory, trusted by one child process, forgotten after it."""

import datetime
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_SPAN = datetime.timedelta(hours=1)
_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "drydock closed place")])

_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


class ThrowawayCA:
    """A CA with an EC P-256 key that issues leaves by the name that a client sends in its TLS greeting."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._contexts: dict[str, ssl.SSLContext] = {}
        builder = self._builder(_NAME, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_SIGNS_CERTIFICATES, critical=True)
        certificate = builder.sign(self._key, hashes.SHA256())
        # A PEM file without any comment: comments have crashed workerd.
        self.certificate = folder / "ca.pem"
        self.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))

    def server_context(self) -> ssl.SSLContext:
        """Return a TLS server context that shows every client a leaf for the name it asked for."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = self._choose_leaf
        return context

    def _choose_leaf(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        if name is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        if name not in self._contexts:
            self._contexts[name] = self._leaf(name)
        connection.context = self._contexts[name]
        return None

    def _leaf(self, name: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        # The subject differs from the issuer's, or the leaf would look self-issued.
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")]), key.public_key())
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        pem = self._folder / f"leaf-{len(self._contexts)}.pem"
        pem.write_bytes(
            certificate.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        pem.unlink()
        return context

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        # Key identifiers: strict verifiers (Python's since 3.13) want them on both.
        issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return x509.CertificateBuilder(
            issuer_name=_NAME,
            subject_name=subject,
            public_key=key,
            serial_number=x509.random_serial_number(),
            not_valid_before=now - _SPAN,
            not_valid_after=now + _SPAN,
            extensions=[
                x509.Extension(x509.SubjectKeyIdentifier.oid, False, x509.SubjectKeyIdentifier.from_public_key(key)),
                x509.Extension(x509.AuthorityKeyIdentifier.oid, False, issuer_id),
            ],
        )
