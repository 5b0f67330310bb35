"""OCI image layouts that carry an export: an artifact whose layers are the files of an archive, in their order."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drydock_cache.archive.layout import ArchiveError
from drydock_cache.archive.parts import Part, PartReader, PartWriter, reader, unwritable
from drydock_cache.digest import Digest
from drydock_cache.errors import DrydockError

ARTIFACT_TYPE = "application/vnd.drydock.export.v1"
LAYER_TYPE = "application/vnd.drydock.export.v1.tar+zstd"
_CONFIG_TYPE = "application/vnd.oci.empty.v1+json"
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
_MAX_JSON = 4 << 20  # what registries take of a manifest
_MAX_LAYERS = 10_000


class LayoutWriter(PartWriter):
    """Writes an OCI layout into a folder that appears when it is finished."""

    def __init__(self, folder: Path, split: int | None = None) -> None:
        self._folder = folder
        self._fresh = folder.with_name(f".{folder.name}.partial")
        if folder.exists():
            raise ArchiveError(f"{folder} is there already.", "Remove it, or choose another name for the export.")
        try:
            shutil.rmtree(self._fresh, ignore_errors=True)
            (self._fresh / "blobs" / "sha256").mkdir(parents=True)
        except OSError as error:
            raise unwritable(folder, error) from error
        super().__init__(self._fresh / "layer", split or (1 << 62), digests=True)

    def finish(self) -> tuple[Part, ...]:
        """Give the layers their names, write the documents, and put the folder in its place."""
        parts = super().finish()
        try:
            layers = [self._layer(part) for part in parts]
            config = self._blob(_CONFIG_TYPE, b"{}")
            document = {
                "schemaVersion": 2,
                "mediaType": _MANIFEST_TYPE,
                "artifactType": ARTIFACT_TYPE,
                "config": config,
                "layers": layers,
            }
            index = {
                "schemaVersion": 2,
                "mediaType": _INDEX_TYPE,
                "manifests": [self._blob(_MANIFEST_TYPE, _json(document)) | {"artifactType": ARTIFACT_TYPE}],
            }
            (self._fresh / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
            (self._fresh / "index.json").write_bytes(_json(index))
            self._fresh.rename(self._folder)
        except OSError as error:
            raise unwritable(self._folder, error) from error
        return tuple(Part(self._folder / "blobs" / "sha256" / part.digest.hex, part.digest, part.size) for part in parts)

    def abandon(self) -> None:
        """Remove what is not finished; safe to call after `finish`."""
        super().abandon()
        shutil.rmtree(self._fresh, ignore_errors=True)

    def _layer(self, part: Part) -> dict[str, Any]:
        part.path.rename(self._fresh / "blobs" / "sha256" / part.digest.hex)
        return {"mediaType": LAYER_TYPE, "digest": str(part.digest), "size": part.size}

    def _blob(self, media_type: str, data: bytes) -> dict[str, Any]:
        digest = Digest.of(data)
        (self._fresh / "blobs" / "sha256" / digest.hex).write_bytes(data)
        return {"mediaType": media_type, "digest": str(digest), "size": len(data)}


def open_archive(paths: Sequence[Path]) -> PartReader:
    """Open what a user names: an archive, its parts, or the folder of an OCI layout with one; raise ArchiveError."""
    if len(paths) == 1 and paths[0].is_dir():
        return PartReader(_layers(paths[0]))
    return reader(paths)


def _layers(folder: Path) -> list[Path]:
    """Return the files of the archive in a layout; their bytes need no check here, the archive in them is signed."""
    index = _document(folder / "index.json")
    found = [_entry(folder, entry) for entry in _list(index, "manifests", folder)]
    if len(found) != 1:
        raise ArchiveError(f"{folder} holds {len(found)} images; expected one export.", "Copy the export alone into a layout.")
    manifest = _document(found[0][1])
    layers = [_entry(folder, entry) for entry in _list(manifest, "layers", folder)]
    if not layers or len(layers) > _MAX_LAYERS or {kind for kind, _ in layers} != {LAYER_TYPE}:
        raise ArchiveError(f"{folder} is an OCI layout, but no export of drydock: its layers are not of type {LAYER_TYPE}.")
    return [path for _, path in layers]


def _entry(folder: Path, entry: object) -> tuple[str, Path]:
    try:
        assert isinstance(entry, dict)
        digest = Digest.parse(str(entry["digest"]))
        return str(entry["mediaType"]), folder / "blobs" / "sha256" / digest.hex
    except (AssertionError, KeyError, DrydockError):
        raise ArchiveError(f"{folder} is no OCI layout that can be read: it has an entry without digest or type.") from None


def _list(document: dict[str, Any], name: str, folder: Path) -> list[object]:
    value = document.get(name)
    if not isinstance(value, list):
        raise ArchiveError(f"{folder} is no OCI layout that can be read: {name} is missing.")
    return value


def _document(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_JSON:
            raise ArchiveError(f"{path} is larger than the {_MAX_JSON:,} bytes that registries take.")
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {os.strerror(error.errno or 0)}.") from error
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ArchiveError(f"{path} is no JSON object.")
    return value


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
