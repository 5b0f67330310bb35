"""Building certificates: a root constrained to the policy's hosts, and the leaves that it signs. Pure but for randomness."""

import datetime
import ipaddress
import secrets
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from drydock_cache.patterns import is_address

DAY = 24 * 3600.0
ROOT_LIFETIME = 5 * 365 * DAY
LEAF_LIFETIME = 60 * DAY
BACKDATING = 2 * DAY
"""Seconds; clients whose clock is behind by so much still accept a new certificate."""

_NOBODY = "nobody.invalid"
_ALL_ADDRESSES = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))

Key = ec.EllipticCurvePrivateKey


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
    subtrees = sorted({host.removeprefix(".") for host in permitted}) or [_NOBODY]
    addresses = [ipaddress.ip_network(host) for host in subtrees if is_address(host)]
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in subtrees if not is_address(host)]
    # Without a permitted subtree of their kind, all names or addresses would be allowed.
    excluded = [x509.IPAddress(every) for every in _ALL_ADDRESSES if every.version not in {net.version for net in addresses}]
    constraints = x509.NameConstraints(
        [*(names or [x509.DNSName(_NOBODY)]), *(x509.IPAddress(network) for network in addresses)], excluded or None
    )
    return (
        _builder(name, name, key.public_key(), now, now + ROOT_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(constraints, critical=True)
        .sign(key, hashes.SHA256())
    )


def leaf_certificate(
    host: str, key: ec.EllipticCurvePublicKey, root: x509.Certificate, root_key: Key, now: float
) -> x509.Certificate:
    """Make a server's certificate for one normalised host; it never outlives the root."""
    expires = min(now + LEAF_LIFETIME, root.not_valid_after_utc.timestamp())
    san = x509.IPAddress(ipaddress.ip_address(host)) if is_address(host) else x509.DNSName(host)
    # A common name has at most 64 characters (RFC 5280 appendix A.1); clients read the SAN.
    subject = _name(host if len(host) <= 64 else "drydock")
    return (
        _builder(subject, root.subject, key, now, expires)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([san]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
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


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "drydock"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: float, expires: float
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_moment(now - BACKDATING))
        .not_valid_after(_moment(expires))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
