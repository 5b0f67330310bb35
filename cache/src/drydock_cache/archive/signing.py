"""Signatures of export archives: an Ed25519 key of this machine, public keys, and how both are named."""

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from drydock_cache.errors import ConfigError

KEY = "export.key"
PUBLIC_KEY = "export.pub"
_NAME = re.compile(r"ed25519:([0-9a-f]{64})")
_MAKE = "Make one with: openssl genpkey -algorithm ed25519 -out FILE"


@dataclass(frozen=True)
class Signer:
    """Who may have signed: an Ed25519 public key of 32 bytes, named by its hexadecimal digits."""

    key: bytes

    def __str__(self) -> str:
        return f"ed25519:{self.key.hex()}"

    @property
    def pem(self) -> bytes:
        """The key as openssl writes it."""
        return Ed25519PublicKey.from_public_bytes(self.key).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def signed(self, signature: bytes, data: bytes) -> bool:
        """Say whether `signature` over `data` was made with this key."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, data)
        except InvalidSignature:
            return False
        return True

    @classmethod
    def from_pem(cls, data: bytes) -> "Signer":
        """Read a PEM public key; raise ValueError when it is none of this kind."""
        try:
            key = serialization.load_pem_public_key(data)
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("no PEM public key") from None
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("a key of another kind than Ed25519")  # noqa: TRY004 - the caller's text is at fault
        return cls(key.public_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> "Signer":
        """Read what --key names: `ed25519:<digits>`, or a file with a PEM public key. Raise ConfigError."""
        if match := _NAME.fullmatch(text.strip()):
            return cls(bytes.fromhex(match[1]))
        try:
            return cls.from_pem(Path(text).read_bytes())
        except OSError as error:
            found = f"no such name, and as a file it cannot be read ({error.strerror})"
        except ValueError as error:
            found = str(error)
        raise ConfigError(
            f"--key {text} does not name a public key: {found}.",
            f"Give ed25519:<64 digits>, as drydock export prints it, or the file {PUBLIC_KEY} that it writes.",
        )


class SigningKey:
    """An Ed25519 private key that archives are signed with."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.signer = Signer(key.public_key().public_bytes_raw())

    def sign(self, data: bytes) -> bytes:
        """Return the signature over `data`, 64 bytes, the same each time."""
        return self._key.sign(data)


def load_key(path: Path) -> SigningKey:
    """Read a PEM private key that nobody else may read; raise ConfigError."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            data = file.read(65536)
    except OSError as error:
        raise ConfigError(f"The signing key {path} cannot be read: {error.strerror}.", _MAKE) from error
    if mode & 0o077:
        raise ConfigError(f"The signing key {path} has mode {mode:04o}: others may read it.", f"chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(
            f"The signing key {path} is no unencrypted PEM private key ({type(error).__name__}).", _MAKE
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"The signing key {path} is of another kind than Ed25519.", _MAKE)
    return SigningKey(key)


def own_key(state: Path) -> SigningKey:
    """Return this machine's key from its state folder, made there on first use, with its public half beside it."""
    path = state / KEY
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _create(path)
        key = load_key(path)
        public = state / PUBLIC_KEY
        if not public.exists() or public.read_bytes() != key.signer.pem:
            _write(public, key.signer.pem, 0o644)
    except OSError as error:
        raise ConfigError(
            f"The signing key {path} cannot be made: {error.strerror}.",
            "Name a folder that can be written with --state DIR, or a key with --key FILE.",
        ) from error
    return key


def _create(path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with contextlib.suppress(FileExistsError):  # another process was faster: its key it is
        _write(path, pem, 0o600, exclusive=True)


def _write(path: Path, data: bytes, mode: int, *, exclusive: bool = False) -> None:
    """Write a file beside its place and put it there in one step, so that a crash leaves no half of a key."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    if not exclusive:
        fresh.replace(path)
        return
    try:
        path.hardlink_to(fresh)
    finally:
        fresh.unlink()
