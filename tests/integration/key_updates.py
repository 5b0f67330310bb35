"""A TLS 1.3 client that sends what no library would: changes of its key without end (RFC 8446 §4.6.3), made beforehand."""

import socket
import ssl
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from tests.integration.running import RunningProxy

_KEY_UPDATE = b"\x18\x00\x00\x01\x00\x16"  # that asks for none in return; its kind, a handshake message, comes last
_TAG = 16


class KeyUpdates:
    """A connection of `client` (its address) to a host by way of the TLS port, of which nothing was used but the handshake."""

    def __init__(self, proxy: RunningProxy, host: str, directory: Path, client: str) -> None:
        secrets = directory / "secrets"
        secrets.unlink(missing_ok=True)
        context = ssl.create_default_context(cafile=str(proxy.ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.keylog_filename = str(secrets)
        raw = socket.create_connection(proxy.tls_address, timeout=10, source_address=(client, 0))
        with context.wrap_socket(raw, server_hostname=host) as tls:
            cipher = tls.cipher()
            assert cipher is not None
            self._hash: HashAlgorithm = SHA384() if cipher[0].endswith("SHA384") else SHA256()
            self._key_length = cipher[2] // 8
            self.socket = socket.socket(fileno=tls.detach())
        lines = [line.split() for line in secrets.read_text().splitlines()]
        self._secret = bytes.fromhex(next(line[2] for line in lines if line[0] == "CLIENT_TRAFFIC_SECRET_0"))

    def records(self, count: int) -> bytes:
        """Return so many changes of the key, each protected by the key before it."""
        made = []
        for _ in range(count):
            key, nonce = self._expand("key", self._key_length), self._expand("iv", 12)
            head = b"\x17\x03\x03" + (len(_KEY_UPDATE) + _TAG).to_bytes(2)
            made.append(head + AESGCM(key).encrypt(nonce, _KEY_UPDATE, head))
            self._secret = self._expand("traffic upd", self._hash.digest_size)
        return b"".join(made)

    def _expand(self, label: str, length: int) -> bytes:
        name = b"tls13 " + label.encode()
        info = length.to_bytes(2) + bytes([len(name)]) + name + b"\x00"
        return HKDFExpand(self._hash, length, info).derive(self._secret)
