"""TLS 1.3 records that no library would send: changes of the key without end (RFC 8446 §4.6.3), made by hand."""

import ssl
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

_KEY_UPDATE = b"\x18\x00\x00\x01"  # a handshake message of one byte: whether one is asked for in return
_HANDSHAKE, _CONTENT = b"\x16", b"\x17"  # the kind of a record comes last
_TAG = 16


class TrafficKeys:
    """What one side of a connection protects its records with, of which none was sent yet but in the handshake.

    `keylog` is what the connection's context has written; `side` is CLIENT or SERVER. A server must have sent no ticket.
    """

    def __init__(self, connection: ssl.SSLSocket, keylog: Path, side: str) -> None:
        cipher = connection.cipher()
        assert cipher is not None
        self._hash: HashAlgorithm = SHA384() if cipher[0].endswith("SHA384") else SHA256()
        self._key_length = cipher[2] // 8
        self._sent = 0  # records under the present key
        lines = [line.split() for line in keylog.read_text().splitlines()]
        self._secret = bytes.fromhex(next(line[2] for line in lines if line[0] == f"{side}_TRAFFIC_SECRET_0"))

    def updates(self, count: int, *, asking: bool = False) -> bytes:
        """Return so many changes of the key, each protected by the key before it; `asking` for one in return."""
        made = []
        for _ in range(count):
            made.append(self._protected(_KEY_UPDATE + bytes([asking]) + _HANDSHAKE))
            self._secret, self._sent = self._expand("traffic upd", self._hash.digest_size), 0
        return b"".join(made)

    def data(self, content: bytes) -> bytes:
        """Return a record of content, to be sent before what is made after it."""
        return self._protected(content + _CONTENT)

    def _protected(self, message: bytes) -> bytes:
        key, start = self._expand("key", self._key_length), self._expand("iv", 12)
        nonce = (int.from_bytes(start) ^ self._sent).to_bytes(12)
        self._sent += 1
        head = b"\x17\x03\x03" + (len(message) + _TAG).to_bytes(2)
        return head + AESGCM(key).encrypt(nonce, message, head)

    def _expand(self, label: str, length: int) -> bytes:
        name = b"tls13 " + label.encode()
        info = length.to_bytes(2) + bytes([len(name)]) + name + b"\x00"
        return HKDFExpand(self._hash, length, info).derive(self._secret)
