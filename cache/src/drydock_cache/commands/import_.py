"""`drydock import`: verify an export archive and take it into the store."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from drydock_cache import terminal
from drydock_cache.archive.adopting import Fate, OnConflict
from drydock_cache.archive.images import has_docker, load_images
from drydock_cache.archive.importing import Imported, Wanted, import_archive
from drydock_cache.archive.layout import MAX_TOTAL, ArchiveError
from drydock_cache.archive.reading import Trust
from drydock_cache.archive.signing import Signer
from drydock_cache.options import StoreOption
from drydock_cache.sizes import parse_size


def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="An archive, all its parts in any order, or an OCI layout.")
    ],
    store: StoreOption = Path("store"),
    key: Annotated[
        str | None,
        typer.Option(
            envvar="DRYDOCK_IMPORT_KEY", metavar="SIGNER", help="Take only what this signer made: ed25519:… or a PEM file."
        ),
    ] = None,
    any_signer: Annotated[bool, typer.Option("--any-signer", help="Take an archive whoever signed it.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Verify everything and say what would change; write nothing.")
    ] = False,
    on_conflict: Annotated[
        OnConflict, typer.Option(help="What to do with an asset whose bytes differ from those in the store.")
    ] = OnConflict.REFUSE,
    allow_older: Annotated[
        bool, typer.Option("--allow-older", help="Take an archive that is older than the last one of its signer.")
    ] = False,
    max_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Refuse an archive that holds more, such as 20G.")
    ] = None,
    locks: Annotated[Path | None, typer.Option(metavar="DIR", help="Write the lock files of the archive there.")] = None,
    images: Annotated[bool, typer.Option(help="Load the container images of the archive, where there are any.")] = True,
    images_to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the container images go; beside the archive by default.")
    ] = None,
) -> None:
    """Verify an export archive and take it into the store: all of it, or nothing."""
    target = images_to or files[0].with_name(f"{files[0].name}.images.tar")
    wanted = Wanted(
        trust=Trust(Signer.parse(key) if key else None, any_signer or dry_run),
        on_conflict=on_conflict,
        allow_older=allow_older,
        max_total=parse_size(max_size, "--max-size") if max_size else MAX_TOTAL,
        images=target if images else None,
    )
    if locks is not None and not locks.is_dir():
        raise ArchiveError(f"--locks {locks} is no folder.", f"mkdir -p {locks}")
    with terminal.work_display() as display:
        done = import_archive(
            files, store, wanted, lambda total: display.begin("importing", total), dry_run=dry_run, phase=display.phase
        )
    _report(done, dry_run=dry_run, checked=key is not None)
    if not dry_run:
        if locks is not None:
            _write_locks(done.locks, locks)
        elif done.locks:
            terminal.say(f"note: the archive carries {', '.join(sorted(done.locks))}; --locks DIR writes them")
        if done.images is not None and images:
            _load(target)


def _report(done: Imported, *, dry_run: bool, checked: bool) -> None:
    fates = done.adoption.fates
    as_of = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(done.as_of))
    terminal.say(
        f"import: signed by {done.signer}" + ("" if checked else ", whom nobody named with --key") + f", as of {as_of}"
    )
    for conflict in done.adoption.conflicts:
        terminal.say(f"conflict: {conflict}")
    would = " would be" if dry_run else ""
    terminal.result(
        f"import: {done.blobs} blobs ({done.size:,} bytes) verified, {done.written}{would} new; responses: {fates[Fate.NEW]} new,"
        f" {fates[Fate.REPLACED]} replaced, {fates[Fate.SAME]} present, {fates[Fate.KEPT]} kept as they were,"
        f" {fates[Fate.CONFLICT]} in conflict"
    )


def _write_locks(locks: Mapping[str, bytes], folder: Path) -> None:
    """Write lock files, but over no other: which of two locks is right is for people to say."""
    for name, data in sorted(locks.items()):
        target = folder / name
        try:
            if target.exists():
                if target.read_bytes() != data:
                    raise ArchiveError(
                        f"{target} is another lock than the one in the archive; it stays. What was imported stays, too.",
                        "Compare them: write the archive's with --locks OTHER_DIR",
                    )
                continue
            target.write_bytes(data)
        except OSError as error:
            raise ArchiveError(f"The lock {target} cannot be written: {error.strerror}.") from error
        terminal.say(f"import: wrote {target}")


def _load(images: Path) -> None:
    if not has_docker():
        terminal.say(f"note: there is no docker here; where there is one, load the images with: docker load --input {images}")
        return
    for line in load_images(images):
        terminal.say(f"import: {line}")
    images.unlink()
