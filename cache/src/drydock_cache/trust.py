"""Whom upstream is believed: the system's certificates and the extra ones of a company, read again when their files change."""

import logging
import re
import ssl
import time
from collections.abc import Sequence
from pathlib import Path

from drydock_cache.errors import ConfigError
from drydock_cache.file_stamp import FileStamp, file_stamp

_log = logging.getLogger(__name__)

_REMEDY = "Give a file of certificates, PEM or DER, or a folder of such files, with DRYDOCK_CORPORATE_CA."
_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----[\x00-\x7f]*?-----END CERTIFICATE-----")
_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_SUFFIXES = frozenset({".pem", ".crt", ".cer", ".der"})
_LOOK_SECONDS = 1.0


class Trust:
    """A client context that follows its files: `current` makes a new one when they changed, and counts `generation` up.

    Files that cannot be used any more leave the context as it was; raise ConfigError for such files at the beginning.
    """

    def __init__(self, ca_files: Sequence[Path]) -> None:
        self._files = tuple(ca_files)
        self._stamps = _stamps(self._files)
        self._looked_at = time.monotonic()
        self._context = trust_context(self._files)
        self.generation = 0

    def current(self) -> ssl.SSLContext:
        """Return the context for new connections; the files are looked at once a second at most."""
        now = time.monotonic()
        if self._files and now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            if (stamps := _stamps(self._files)) != self._stamps:
                self._stamps = stamps
                self._renew()
        return self._context

    def _renew(self) -> None:
        try:
            self._context = trust_context(self._files)
        except ConfigError as error:
            _log.error("%s The certificates that were read before are used.", error)
            return
        self.generation += 1
        _log.info("the CA files changed and were read again: %s", ", ".join(map(str, self._files)))


def trust_context(ca_files: Sequence[Path]) -> ssl.SSLContext:
    """Return a verifying client context that trusts the system's store and the certificates in `ca_files`.

    Raise ConfigError for what is missing or holds no certificate. drydock's own CA must not be among them: a name
    that leads the proxy back to itself then ends in a refused certificate instead of a loop.
    """
    context = ssl.create_default_context()
    # Proxies that re-sign TLS issue certificates without key identifiers; strict checking would refuse whole companies.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    for path in ca_files:
        load_certificates(context, path)
    return context


def load_certificates(context: ssl.SSLContext, path: Path) -> None:
    """Add the certificates in one file or folder to the context; raise ConfigError that says what was found instead."""
    for file in _files(path):
        try:
            context.load_verify_locations(cadata="\n".join(_read(file)))
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(f"The CA file {file} holds a certificate that cannot be read: {error}.", _REMEDY) from error


def read_certificates(path: Path) -> list[str]:
    """Return the certificates of a file or folder as PEM, without what people write between them.

    Raise ConfigError when there is none, or where there is a private key beside them.
    """
    return [block for file in _files(path) for block in _read(file)]


def blocks_of(data: bytes) -> list[str]:
    """Return the PEM blocks of certificates in a text."""
    return [block.decode("ascii") for block in _BLOCK.findall(data)]


def _files(path: Path) -> list[Path]:
    """Return the path itself, or the certificate files in it where it is a folder."""
    try:
        if not path.is_dir():
            return [path]
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES)
    except OSError as error:
        raise ConfigError(f"The CA folder {path} cannot be read: {error.strerror}.", _REMEDY) from error
    if not files:
        raise ConfigError(f"The CA folder {path} holds no file that ends in {', '.join(sorted(_SUFFIXES))}.", _REMEDY)
    return files


def _read(file: Path) -> list[str]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"The CA file {file} cannot be read: {error.strerror}.", _REMEDY) from error
    if _KEY.search(data):
        raise ConfigError(
            f"The CA file {file} holds a private key: expected certificates alone.",
            "Keep the key where it belongs, and give a file without it: openssl x509 -in FILE -out CERTIFICATES.pem",
        )
    blocks = blocks_of(data)
    if not blocks and data[:1] == b"\x30":
        blocks = [ssl.DER_cert_to_PEM_cert(data)]  # whether it is one shows when it is loaded
    if not blocks:
        found = "nothing" if not data.strip() else "no certificate"
        raise ConfigError(
            f"The CA file {file} is neither PEM nor DER: expected at least one certificate, found {found}.", _REMEDY
        )
    return blocks


def _stamps(paths: Sequence[Path]) -> list[tuple[Path, FileStamp | None]]:
    stamps: list[tuple[Path, FileStamp | None]] = []
    for path in paths:
        try:
            stamps += [(file, file_stamp(file)) for file in _files(path)]
        except (ConfigError, OSError):
            stamps.append((path, None))
    return stamps
