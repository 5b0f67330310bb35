"""Whom upstream is believed: the system's certificates and the extra ones of a company."""

import re
import ssl
from collections.abc import Sequence
from pathlib import Path

from drydock_cache.errors import ConfigError

_REMEDY = "Give a file of PEM certificates; DER is converted with: openssl x509 -inform der -in FILE -out FILE.pem"
_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----[\x00-\x7f]*?-----END CERTIFICATE-----")


def trust_context(ca_files: Sequence[Path]) -> ssl.SSLContext:
    """Return a verifying client context that trusts the system's store and the PEM certificates in `ca_files`.

    Raise ConfigError for a file that is missing or holds no certificate. drydock's own CA must not be among them: a name
    that leads the proxy back to itself then ends in a refused certificate instead of a loop.
    """
    context = ssl.create_default_context()
    # Proxies that re-sign TLS issue certificates without key identifiers; strict checking would refuse whole companies.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    for path in ca_files:
        load_certificates(context, path)
    return context


def load_certificates(context: ssl.SSLContext, path: Path) -> None:
    """Add the PEM certificates in one file to the context; raise ConfigError that says what was found instead."""
    blocks = read_certificates(path)
    try:
        context.load_verify_locations(cadata="\n".join(blocks))
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(f"The CA file {path} holds a certificate that cannot be read: {error}.", _REMEDY) from error


def read_certificates(path: Path) -> list[str]:
    """Return the PEM blocks of a file, without what people write between them; raise ConfigError when there is none."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"The CA file {path} cannot be read: {error.strerror}.", _REMEDY) from error
    blocks = _BLOCK.findall(text)
    if not blocks:
        found = "nothing" if not text.strip() else "DER" if text[:1] == b"\x30" else "no certificate block"
        raise ConfigError(f"The CA file {path} is not PEM: expected at least one certificate, found {found}.", _REMEDY)
    return [block.decode("ascii") for block in blocks]
