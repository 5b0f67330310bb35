"""Archives as an attacker would make them: a good one taken apart, changed, and put together again."""

import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drydock_cache.archive.layout import BLOBS, MANIFEST, SIGNATURE, SIGNER, SUMS
from drydock_cache.archive.parts import PartWriter
from drydock_cache.archive.rows import encode
from drydock_cache.archive.signing import SigningKey
from drydock_cache.archive.zstd_stream import CompressedWriter, zstd
from drydock_cache.digest import Digest


@dataclass
class Forged:
    """The members of an archive as (header, content), open to every change; `bytes` puts them together."""

    key: SigningKey
    members: list[tuple[tarfile.TarInfo, bytes]] = field(default_factory=list)

    @classmethod
    def of(cls, archive: Path, key: SigningKey) -> "Forged":
        """Take a good archive apart."""
        with tarfile.open(fileobj=io.BytesIO(zstd.decompress(archive.read_bytes()))) as tar:
            return cls(key, [(member, tar.extractfile(member).read()) for member in tar.getmembers()])  # type: ignore[union-attr]

    def names(self) -> list[str]:
        return [member.name for member, _ in self.members]

    def blobs(self) -> list[str]:
        """The names of the blobs, in order."""
        return [name for name in self.names() if name.startswith(BLOBS)]

    def content(self, name: str) -> bytes:
        return self.members[self.names().index(name)][1]

    def put(self, name: str, content: bytes, **header: Any) -> None:
        """Replace the content of a member, whose header then declares its size, and change the header."""
        at = self.names().index(name)
        member = self.members[at][0]
        member.size = len(content)
        for field_name, value in header.items():
            setattr(member, field_name, value)
        self.members[at] = (member, content)

    def insert(self, at: int, name: str, content: bytes = b"", **header: Any) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        for field_name, value in header.items():
            setattr(member, field_name, value)
        self.members.insert(at, (member, content))

    def drop(self, name: str) -> None:
        del self.members[self.names().index(name)]

    def edit_manifest(self, change: Callable[[list[dict[str, Any]]], None]) -> None:
        """Change the lines of the manifest as JSON objects."""
        lines = [json.loads(line) for line in self.content(MANIFEST).splitlines()]
        change(lines)
        self.put(MANIFEST, b"".join(map(encode, lines)))

    def sign(self, names: Sequence[str] | None = None) -> None:
        """Make SHA256SUMS of what is there now and sign it: what somebody with the key could do."""
        named = names or [name for name in self.names() if name not in (SIGNATURE, SIGNER, SUMS)]
        sums = "".join(f"{Digest.of(self.content(name)).hex}  {name}\n" for name in named).encode()
        self.put(SUMS, sums)
        self.put(SIGNATURE, self.key.sign(sums))
        self.put(SIGNER, self.key.signer.pem)

    def tar(self) -> bytes:
        """Return the tar with the headers as they are."""
        out = bytearray()
        for member, content in self.members:
            out += member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
            out += content + bytes(-len(content) % 512)
        return bytes(out) + bytes(1024)

    def write(self, path: Path) -> Path:
        """Write the archive and return its path."""
        path.write_bytes(zstd.compress(self.tar()))
        return path


def write_raw(path: Path, tar: bytes) -> Path:
    """Compress bytes as an archive, whatever they are."""
    output = PartWriter(path)
    compressed = CompressedWriter(output.write)
    compressed.write(tar)
    compressed.finish()
    output.finish()
    return path


def forge_bomb(path: Path, key: SigningKey, name: str, size: int, *, before: Sequence[tuple[str, bytes]] = ()) -> Path:
    """Write an archive whose member `name` declares and holds `size` zeros, which compress to next to nothing."""
    output = PartWriter(path)
    compressed = CompressedWriter(output.write)
    for other, content in before:
        member = tarfile.TarInfo(other)
        member.size = len(content)
        compressed.write(member.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512))
    member = tarfile.TarInfo(name)
    member.size = size
    compressed.write(member.tobuf(tarfile.GNU_FORMAT))
    zeros = bytes(1 << 22)
    for _ in range(size // len(zeros)):
        compressed.write(zeros)
    compressed.write(bytes(1024))
    compressed.finish()
    output.finish()
    return path
