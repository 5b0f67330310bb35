"""A TLS server for whoever stole an intermediate's key: it shows one chain to everybody, by CONNECT or directly."""

import base64
import hashlib
import io
import json
import socket
import tarfile
import threading
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from drydock_proxy import keyfile
from drydock_proxy.authority import Leaf
from drydock_proxy.certificates import DAY, leaf_certificate, new_key
from drydock_proxy.front.contexts import server_context
from drydock_proxy.succession import found

_COMMIT = "0" * 39 + "1"
_API_ANSWER = {"success": True, "errors": [], "messages": [], "result": []}


@dataclass(frozen=True)
class Stolen:
    """What the server shows, and the root that a client believes."""

    leaf: Leaf
    root: bytes


def stolen(permitted: Sequence[str], host: str, *, age: float = 0) -> Stolen:
    """Make a CA for some hosts and a leaf of its intermediate for any host, as if `age` days ago."""
    now = time.time()
    succession = found(permitted, now)
    signer = succession.intermediates[0]
    key = new_key()
    certificate = leaf_certificate(host, key.public_key(), signer.certificate, signer.key, now - age * DAY)
    return Stolen(Leaf(host, certificate, (signer.certificate,), key, 0), keyfile.certificate_pem(succession.root))


class Impostor:
    """Serves small things to every client that accepts the chain; `asked` lists their requests."""

    def __init__(self, shown: Stolen, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self.asked: list[str] = []
        self._context = server_context(shown.leaf)
        self._listener = socket.create_server(address)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        client.settimeout(20)
        try:
            with client:
                if client.recv(8, socket.MSG_PEEK) == b"CONNECT ":
                    _head(client)
                    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                with self._context.wrap_socket(client, server_side=True) as tls:
                    target = _head(tls).split()[1]
                    self.asked.append(target)
                    body = _content(target)
                    length = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                    tls.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{length}".encode() + body)
        except OSError:
            pass  # the client refused


def _head(stream: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        data = stream.recv(1)
        if not data:
            raise ConnectionError("no request")
        head += data
    return head.decode("latin-1")


def _content(target: str) -> bytes:
    if target.endswith(".whl"):
        return _wheel()
    if target.endswith(".tgz"):
        return _tarball()
    if target.startswith("/client/v4/"):
        return json.dumps(_API_ANSWER).encode()
    return f"{_COMMIT}\trefs/heads/main\n".encode() if "/info/refs" in target else b"served"


def _wheel() -> bytes:
    """Make the smallest wheel that pip and uv install."""
    info = "thing-1.0.dist-info"
    files = {
        "thing.py": "",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {
        name: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=") for name, text in files.items()
    }
    rows = [f"{name},sha256={digests[name].decode()},{len(text)}" for name, text in files.items()]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as wheel:
        for name, text in (files | {f"{info}/RECORD": "\n".join([*rows, f"{info}/RECORD,,", ""])}).items():
            wheel.writestr(name, text)
    return packed.getvalue()


def _tarball() -> bytes:
    """Make the smallest package that npm packs."""
    manifest = b'{"name": "thing", "version": "1.0.0"}'
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo("package/package.json")
        member.size = len(manifest)
        tar.addfile(member, io.BytesIO(manifest))
    return packed.getvalue()
