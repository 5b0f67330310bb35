"""`drydock export`: write the store, or what is new in it, into one signed archive."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from drydock_cache import terminal
from drydock_cache.archive.contents import Contents, gather, read_inventory, write_inventory
from drydock_cache.archive.images import project_images, save_images
from drydock_cache.archive.layout import ArchiveError
from drydock_cache.archive.oci import LayoutWriter
from drydock_cache.archive.parts import PartWriter
from drydock_cache.archive.signing import PUBLIC_KEY, load_key, own_key
from drydock_cache.archive.writing import Images, read_images, total, write_archive
from drydock_cache.lockfile import Locks
from drydock_cache.options import ConfigOption, LockOption, StoreOption, chosen_locks
from drydock_cache.sizes import parse_size
from drydock_cache.store import Store

_MIN_SPLIT = 1 << 16


class Format(StrEnum):
    """How an export is written."""

    ARCHIVE = "archive"
    OCI = "oci"


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The archive to write, or the folder with --format oci.")],
    store: StoreOption = Path("store"),
    state: Annotated[
        Path, typer.Option(envvar="DRYDOCK_STATE", help="Folder of the signing key, which is made there on first use.")
    ] = Path("state"),
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="Sign with this Ed25519 key instead.")] = None,
    lock: LockOption = None,
    config: ConfigOption = Path("drydock.toml"),
    split: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Write parts FILE.001 … of at most this size, such as 2G.")
    ] = None,
    since: Annotated[
        Path | None,
        typer.Option(
            metavar="INVENTORY", help="Leave out what the far side has: its inventory, or an archive that it imported."
        ),
    ] = None,
    inventory: Annotated[
        bool, typer.Option("--inventory", help="Write an inventory of this store for --since; no archive.")
    ] = False,
    images: Annotated[bool, typer.Option("--images", help="Add the images of the compose project in this folder.")] = False,
    image: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Add this container image.")] = None,
    images_from: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Add the images that docker save wrote there.")
    ] = None,
    output_format: Annotated[
        Format, typer.Option("--format", help="One file, or a folder that a registry can carry.")
    ] = Format.ARCHIVE,
    incomplete: Annotated[
        bool, typer.Option("--incomplete", help="Export although the store lacks what a lock names.")
    ] = False,
) -> None:
    """Write everything in the store into one signed archive, which drydock import takes on the other side."""
    opened = Store.open_read_only(store)
    try:
        locks = chosen_locks(config, lock)
        contents = gather(opened, locks.digests(), read_inventory(since) if since else frozenset())
        for url in contents.absent:
            terminal.say(f"note: {url} is left out: its blob is gone")
        if inventory:
            write_inventory(file, contents)
            terminal.result(f"export: {len(contents.carried)} blobs are in the inventory {file}")
            return
        _check_complete(contents, locks, incomplete=incomplete)
        signing = load_key(key) if key else own_key(state)
        size = parse_size(split, "--split") if split else None
        if size is not None and size < _MIN_SPLIT:
            raise ArchiveError(f"--split {split} makes parts that are too small; at least {_MIN_SPLIT:,} bytes are needed.")
        output = LayoutWriter(file, size) if output_format is Format.OCI else PartWriter(file, size)
        with terminal.work_display() as display, _Carried(file, images, image, images_from, display.begin) as saved:
            written = write_archive(
                opened,
                contents,
                signing,
                output,
                {one.path.name: one.path.read_bytes() for one in locks.files if one.lock.digests()},
                saved,
                display.begin("exporting", total(contents, saved)),
                display.phase,
            )
    finally:
        opened.close()
    size_written = sum(part.size for part in written.parts)
    left_out = f", {len(contents.held)} left out that the far side has" if contents.held else ""
    terminal.result(
        f"export: {len(contents.carried)} blobs{left_out}, {written.total:,} bytes in {size_written:,}: "
        + " ".join(str(part.path) for part in (written.parts if output_format is Format.ARCHIVE else ()))
        + (str(file) if output_format is Format.OCI else "")
    )
    terminal.result(f"export: signed by {signing.signer}")
    where = f"; its public key is {state / PUBLIC_KEY}" if key is None else ""
    terminal.say(f"Tell the far side that name another way than with the archive{where}: drydock import --key {signing.signer}")


def _check_complete(contents: Contents, locks: Locks, *, incomplete: bool) -> None:
    """Refuse to carry less than the locks name: it would be missed where nothing can be fetched."""
    there = {blob.digest for blob in (*contents.carried, *contents.held)}
    entries = [*((one.url, one.digest) for one in locks.assets), *((one.url, one.digest) for one in locks.pages)]
    lacking = [url for url, digest in entries if digest not in there]
    if not lacking:
        return
    sentence = f"The store lacks {len(lacking)} of {len(entries)} things that the lock names, {lacking[0]} first."
    if not incomplete:
        raise ArchiveError(sentence, "Fetch them with drydock warm, or export without them with --incomplete")
    terminal.say(f"note: {sentence}")


class _Carried:
    """The images that are carried: saved beside the export for the time of the block, or from a file that is there."""

    def __init__(
        self,
        file: Path,
        project: bool,
        names: list[str] | None,
        saved: Path | None,
        begin: Callable[[str, int | None], Callable[[int], None]],
    ) -> None:
        self._path = file.with_name(f".{file.name}.images.partial")
        self._names = [*(project_images() if project else ()), *(names or ())]
        self._saved = saved
        self._begin = begin

    def __enter__(self) -> Images | None:
        if self._saved is not None:
            return read_images(
                self._saved, self._begin("reading images", self._saved.stat().st_size if self._saved.exists() else None)
            )
        if self._names:
            return save_images(self._names, self._path, self._begin(f"saving {len(self._names)} images", None))
        return None

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)
