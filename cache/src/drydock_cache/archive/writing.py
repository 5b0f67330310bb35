"""Writing an export archive: what vouches for the content first, then the content, read once and checked on the way."""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from drydock_cache.archive.contents import Contents
from drydock_cache.archive.layout import (
    IMAGES,
    LOCKS,
    MANIFEST,
    SBOM,
    SIGNATURE,
    SIGNER,
    SUMS,
    ArchiveError,
    blob_name,
    is_lock_name,
)
from drydock_cache.archive.manifest import write_manifest
from drydock_cache.archive.parts import Part, PartWriter, copy
from drydock_cache.archive.sbom import bill_of_materials
from drydock_cache.archive.signing import SigningKey
from drydock_cache.archive.sums import write_sums
from drydock_cache.archive.tar_format import END, header, padding
from drydock_cache.archive.zstd_stream import CompressedWriter
from drydock_cache.blobs import Blob
from drydock_cache.digest import Digest
from drydock_cache.errors import StoreError
from drydock_cache.store import Store

_PIECE = 1 << 20


@dataclass(frozen=True)
class Images:
    """A file of container images beside the archive: its digest and its size in bytes."""

    path: Path
    digest: Digest
    size: int


@dataclass(frozen=True)
class Written:
    """A finished export: its files, and the size of its members in bytes before compression."""

    parts: tuple[Part, ...]
    total: int


def read_images(path: Path, progress: Callable[[int], None]) -> Images:
    """Hash a file that `docker save` wrote."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while data := file.read(_PIECE):
                digest.update(data)
                size += len(data)
                progress(len(data))
    except OSError as error:
        raise ArchiveError(f"The images {path} cannot be read: {error.strerror}.") from error
    return Images(path, Digest(digest.hexdigest()), size)


def total(contents: Contents, images: Images | None) -> int:
    """Return about how many bytes `write_archive` will report progress on."""
    return sum(blob.size for blob in contents.carried) + (images.size if images else 0)


def write_archive(
    store: Store,
    contents: Contents,
    key: SigningKey,
    output: PartWriter,
    locks: Mapping[str, bytes],
    images: Images | None,
    progress: Callable[[int], None],
    phase: Callable[[str], None] = lambda _: None,
) -> Written:
    """Write the archive and return its parts; whatever fails, nothing of it remains. Raise ArchiveError or StoreError.

    `phase` is told what happens once everything was read.
    """
    try:
        documents = {SBOM: bill_of_materials(contents.responses, contents.as_of)}
        documents |= {_lock_name(name): data for name, data in sorted(locks.items())}
        sizes = [(name, len(data)) for name, data in documents.items()] + ([(IMAGES, images.size)] if images else [])
        with tempfile.TemporaryFile() as manifest:
            write_manifest(manifest, contents.as_of, sizes, contents.carried, contents.held, contents.responses)
            sums = write_sums(
                [
                    (MANIFEST, _digest(manifest)),
                    *((name, Digest.of(data)) for name, data in documents.items()),
                    *((blob_name(blob.digest), blob.digest) for blob in contents.carried),
                    *([(IMAGES, images.digest)] if images else []),
                ]
            )
            compressed = CompressedWriter(output.write)
            for name, data in ((SIGNATURE, key.sign(sums)), (SIGNER, key.signer.pem), (SUMS, sums)):
                _member(compressed, name, data)
            _file(compressed, MANIFEST, manifest, manifest.tell(), None, lambda _: None)
        for name, data in documents.items():
            _member(compressed, name, data)
        for blob in contents.carried:
            _blob(compressed, store, blob, progress)
        if images:
            with images.path.open("rb") as file:
                _file(compressed, IMAGES, file, images.size, images.digest, progress)
        compressed.write(END)
        compressed.finish()
        phase("syncing to the disk")
        parts = output.finish()
    finally:
        output.abandon()
    return Written(parts, sum(size for _, size in sizes) + sum(blob.size for blob in contents.carried))


def _lock_name(name: str) -> str:
    if not is_lock_name(member := LOCKS + name):
        raise ArchiveError(f"The lock file {name!r} cannot be exported under that name.", "Call it assets.lock, for example.")
    return member


def _member(compressed: CompressedWriter, name: str, data: bytes) -> None:
    compressed.write(header(name, len(data)) + data + bytes(padding(len(data))))


def _blob(compressed: CompressedWriter, store: Store, blob: Blob, progress: Callable[[int], None]) -> None:
    mend = "Check the store with drydock verify, then export again."
    try:
        with open(store.blobs.where(blob.digest), "rb", buffering=0) as file:  # noqa: PTH123 - no Path for each of thousands
            _file(compressed, blob_name(blob.digest), file, blob.size, blob.digest, progress)
    except OSError as error:
        raise StoreError(f"The blob {blob.digest} cannot be read: {error.strerror}.", mend) from error
    except ArchiveError as error:
        raise StoreError(f"The blob {store.blobs.path(blob.digest)} is damaged: {error.message}", mend) from error


def _file(
    compressed: CompressedWriter,
    name: str,
    file: IO[bytes],
    size: int,
    digest: Digest | None,
    progress: Callable[[int], None],
) -> None:
    """Write a member from a file; raise ArchiveError when it does not have that size and digest."""
    found = hashlib.sha256()

    def read(count: int) -> bytes:
        if not (data := file.read(count)):
            raise ArchiveError(f"{name} is shorter than the {size:,} bytes that it had.")
        return data

    def take(data: bytes) -> None:
        if digest is not None:
            found.update(data)
        compressed.write(data)
        progress(len(data))

    file.seek(0)
    compressed.write(header(name, size))
    copy(read, take, size, _PIECE)
    compressed.write(bytes(padding(size)))
    if digest is not None and (file.read(1) or Digest(found.hexdigest()) != digest):
        raise ArchiveError(f"expected {digest} in {size:,} bytes, found {Digest(found.hexdigest())}.")


def _digest(file: IO[bytes]) -> Digest:
    """Return the digest of a file, which is left at its end."""
    digest = hashlib.sha256()
    file.seek(0)
    while data := file.read(_PIECE):
        digest.update(data)
    return Digest(digest.hexdigest())
