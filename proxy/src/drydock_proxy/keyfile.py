"""The file with the CA's keys and certificates: written so that nobody else can ever read it, and refused when somebody could."""

import fcntl
import glob
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from drydock_cache.errors import ConfigError

from drydock_proxy.certificates import Key, Validity
from drydock_proxy.succession import Intermediate, Succession

_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----\r?\n.+?-----END \1-----", re.DOTALL)
_NEW = ".new"
_MOST_BYTES = 1 << 20


@contextmanager
def private_directory(path: Path) -> Iterator[None]:
    """Make sure of a directory with mode 0700 and hold a lock on it, so that two proxies with one state make one CA.

    Raise ConfigError when it cannot be made, is a link or a file, is somebody else's, or is open to others.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(
            f"The directory {path} for the CA's keys cannot be used: {error.strerror}.",
            f"Make {path.parent} a directory that user {os.geteuid()} can write to, with no link or file in its place.",
        ) from None
    try:
        _check_private(path, os.fstat(directory), 0o700)
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def load(path: Path) -> Succession | None:
    """Read the CA; None when there is no file.

    Raise ConfigError when others can read the file, it cannot be parsed, or what is in it does not belong together.
    """
    try:
        # Opened without following a link, and not waiting for a writer should it be a pipe.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"The CA's keys {path} cannot be read: {error.strerror}.", _remake(path)) from None
    with os.fdopen(file, "rb") as stream:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"The CA's keys {path} are not a regular file.", _remake(path))
        _check_private(path, status, 0o600)
        data = stream.read(_MOST_BYTES)
    return _parse(path, data)


def pem(succession: Succession) -> bytes:
    """Return what `load` reads: the root's certificate, then key and certificate of each intermediate in its order."""
    parts = [certificate_pem(succession.root)]
    for one in succession.intermediates:
        parts += [key_pem(one.key), certificate_pem(one.certificate)]
    return b"".join(parts)


def write(path: Path, data: bytes, mode: int) -> None:
    """Write a file in one step, with its mode from the first moment on; raise ConfigError when it cannot be."""
    # A name of its own: what all may read is also written by processes that hold no lock.
    new = path.with_name(f"{path.name}.{secrets.token_hex(8)}{_NEW}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as stream:
            os.fchmod(stream.fileno(), mode)  # the umask may have taken from a public file's mode, never added
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}.", f"Make {path.parent} writable for user {os.geteuid()}."
        ) from None


def remove_leftover(path: Path) -> None:
    """Remove what a crash while `path` was written has left: it may hold a key. The directory's lock must be held."""
    for new in path.parent.glob(f"{glob.escape(path.name)}*{_NEW}"):
        new.unlink(missing_ok=True)


def key_pem(key: Key) -> bytes:
    """Return the key as PKCS #8 in PEM, unencrypted: the file's mode is what protects it."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """Return the certificate as PEM without comments, on which some runtimes crash."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def _check_private(path: Path, status: os.stat_result, wanted: int) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid != os.geteuid():
        raise ConfigError(
            f"{path}, which holds the CA's keys, belongs to user {status.st_uid}, but the proxy runs as user {os.geteuid()}.",
            f'Run "chown -R {os.geteuid()} {path}", or run the proxy as user {status.st_uid}.',
        )
    if mode & 0o077:
        raise ConfigError(
            f"{path}, which holds the CA's keys, has mode {mode:04o}, so others may have read them; expected {wanted:04o}.",
            f'Run "rm -r {path}" to have a new CA, or "chmod {wanted:o} {path}" if nobody else had access.',
        )


def _parse(path: Path, data: bytes) -> Succession:
    blocks = [match[0] + b"\n" for match in _PEM_BLOCK.finditer(data)]
    labels = [match[1].decode() for match in _PEM_BLOCK.finditer(data)]
    expected = ["CERTIFICATE", *["PRIVATE KEY", "CERTIFICATE"] * ((len(labels) - 1) // 2)]
    if len(labels) < 3 or labels != expected:
        raise ConfigError(
            f"{path} is not the CA's file: expected a certificate, then pairs of a private key and a certificate in PEM, "
            f"found {', '.join(labels[:4]) or 'none'} in {len(data)} bytes.",
            _remake(path),
        )
    try:
        root, *certificates = (x509.load_pem_x509_certificate(block) for block in (blocks[0], *blocks[2::2]))
        keys = [serialization.load_pem_private_key(block, password=None) for block in blocks[1::2]]
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"A key or a certificate of the CA in {path} is damaged or encrypted.", _remake(path)) from None
    if not all(_is_issued_by(root, certificate) for certificate in (root, *certificates)):
        raise _alien(path)
    return Succession(root, tuple(_intermediate(path, *pair) for pair in zip(keys, certificates, strict=True)))


def _is_issued_by(root: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _intermediate(path: Path, key: PrivateKeyTypes, certificate: x509.Certificate) -> Intermediate:
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(f"A key of the CA in {path} is of another kind: expected one on the curve P-256.", _remake(path))
    if key.public_key() != certificate.public_key():
        raise _alien(path)
    return Intermediate(certificate, key, Validity.of(certificate))


def _alien(path: Path) -> ConfigError:
    return ConfigError(f"The keys and certificates in {path} do not belong together.", _remake(path))


def _remake(path: Path) -> str:
    return f'Run "rm {path}" and start again: a new CA is made, which the Workers read when they restart.'
