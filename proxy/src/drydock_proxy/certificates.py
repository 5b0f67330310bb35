"""Building certificates: a root and intermediates, constrained to the policy's hosts, and leaves. Pure but for randomness."""

import datetime
import ipaddress
import secrets
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from drydock_cache.patterns import is_address

DAY = 24 * 3600.0
ROOT_LIFETIME = 5 * 365 * DAY
LEAF_LIFETIME = 60 * DAY
BACKDATING = 3 * DAY
"""Seconds; clients whose clock is behind by so much still accept a new certificate."""

_NOBODY = "nobody.invalid"
_ALL_ADDRESSES = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))

_FOR_SERVERS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])

Key = ec.EllipticCurvePrivateKey


class Validity(NamedTuple):
    """From when to when a certificate is valid, in seconds since 1970."""

    begins: float
    ends: float

    @classmethod
    def of(cls, certificate: x509.Certificate) -> "Validity":
        """Return that of a certificate."""
        return cls(certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp())

    def holds(self, now: float) -> bool:
        """Tell whether a moment is inside."""
        return self.begins <= now < self.ends


def new_key() -> Key:
    """Make a private key on the curve P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def root_certificate(key: Key, permitted: Iterable[str], now: float) -> x509.Certificate:
    """Make a self-signed CA certificate whose critical name constraints (RFC 5280 §4.2.1.10) permit these hosts alone.

    A host is a name, `.suffix` for the names below one, or an IP address. A dNSName constraint covers the names
    below it too and has no spelling for those alone (some TLS libraries refuse a leading dot), so `.suffix` is written
    as `suffix`.
    """
    name = _name(f"drydock CA {secrets.token_hex(4)}")
    validity = Validity(now - BACKDATING, now + ROOT_LIFETIME)
    builder = _ca_builder(name, name, key.public_key(), validity, _constraints(permitted), path_length=1)
    return builder.sign(key, hashes.SHA256())


def intermediate_certificate(
    key: ec.EllipticCurvePublicKey, validity: Validity, root: x509.Certificate, root_key: Key
) -> x509.Certificate:
    """Make the certificate of an intermediate with the root's own constraints, for servers alone; it never outlives the root."""
    name = _name(f"drydock intermediate {secrets.token_hex(4)}")
    ends = min(validity.ends, root.not_valid_after_utc.timestamp())
    constraints = root.extensions.get_extension_for_class(x509.NameConstraints).value
    return (
        _ca_builder(name, root.subject, key, Validity(validity.begins, ends), constraints, path_length=0)
        .add_extension(_FOR_SERVERS, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )


def leaf_certificate(
    host: str, key: ec.EllipticCurvePublicKey, issuer: x509.Certificate, issuer_key: Key, now: float
) -> x509.Certificate:
    """Make a server's certificate for one normalised host; it never outlives its issuer."""
    expires = min(now + LEAF_LIFETIME, issuer.not_valid_after_utc.timestamp())
    san = x509.IPAddress(ipaddress.ip_address(host)) if is_address(host) else x509.DNSName(host)
    return (
        # the name is in the SAN alone, which is critical then (RFC 5280 §4.2.1.6)
        _builder(x509.Name([]), issuer.subject, key, Validity(now - BACKDATING, expires))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(_FOR_SERVERS, critical=False)
        .add_extension(x509.SubjectAlternativeName([san]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def permitted_hosts(root: x509.Certificate) -> tuple[str, ...] | None:
    """List the hosts that a root's name constraints permit, each with the names below it; None if it has no constraints."""
    try:
        extension = root.extensions.get_extension_for_class(x509.NameConstraints)
    except x509.ExtensionNotFound:
        return None
    hosts: list[str] = []
    for subtree in extension.value.permitted_subtrees or []:
        if isinstance(subtree, x509.IPAddress):
            hosts.append(str(subtree.value).partition("/")[0])
        elif isinstance(subtree, x509.DNSName):
            hosts.append(subtree.value)
    return tuple(hosts) if extension.critical and hosts else None


def covers(permitted: Sequence[str], host: str) -> bool:
    """Tell whether one of the subtrees, as `permitted_hosts` lists them, covers a host, `.suffix` or address."""
    bare = host.removeprefix(".")
    return any(bare == subtree or (not is_address(bare) and bare.endswith(f".{subtree}")) for subtree in permitted)


def _constraints(permitted: Iterable[str]) -> x509.NameConstraints:
    subtrees = sorted({host.removeprefix(".") for host in permitted}) or [_NOBODY]
    addresses = [ipaddress.ip_network(host) for host in subtrees if is_address(host)]
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in subtrees if not is_address(host)]
    # Without a permitted subtree of their kind, all names or addresses would be allowed.
    excluded = [x509.IPAddress(every) for every in _ALL_ADDRESSES if every.version not in {net.version for net in addresses}]
    return x509.NameConstraints(
        [*(names or [x509.DNSName(_NOBODY)]), *(x509.IPAddress(network) for network in addresses)], excluded or None
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "drydock"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _ca_builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    validity: Validity,
    constraints: x509.NameConstraints,
    path_length: int,
) -> x509.CertificateBuilder:
    return (
        _builder(subject, issuer, key, validity)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(constraints, critical=True)
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, validity: Validity
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_moment(validity.begins))
        .not_valid_after(_moment(validity.ends))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
