"""Judges the disk that the store lies on, and what the store says of itself."""

from dataclasses import dataclass

from drydock_cache.doctor.finding import Finding, fail, ok, warn

_FEW, _NONE = 1 << 30, 64 << 20  # bytes: a Python Worker's packages and runtime take up to a few hundred megabytes
_FEW_FILES = 1000


@dataclass(frozen=True)
class DiskSeen:
    """What a look at a store's folder found.

    `unwritable` says why a test file could not be written and synced; `damage` why the index cannot be read, and `mend` what
    to do; `free` and `free_files` are what is left (-1 where a file system does not count); `aside` are files in quarantine.
    """

    path: str
    exists: bool = True
    unwritable: str = ""
    free: int = -1
    free_files: int = -1
    damage: str = ""
    mend: str = ""
    responses: int = 0
    missing: int = 0
    aside: int = 0


def judge_disk(seen: DiskSeen) -> list[Finding]:
    """Judge free space, writing, the index, the blobs that it names, and what was put aside."""
    found = []
    room = f"{seen.free / (1 << 20):,.0f} MiB free" if seen.free >= 0 else "free space unknown"
    cleaning = "drydock gc --max-size 2G, in the stack: docker compose run --rm --no-deps warm gc --max-size 2G; or docker system prune"
    if 0 <= seen.free < _NONE or 0 <= seen.free_files < _FEW_FILES // 10:
        found.append(
            fail("disk.full", seen.path, "The disk of the store is full: hits are served, nothing is stored.", room, cleaning)
        )
    elif seen.unwritable:
        what = "The store cannot be written: hits are served, nothing is stored."
        mend = f"Give the user who runs drydock write access to it: chown -R $(id -u) {seen.path}; or name another: --store DIR"
        found.append(fail("disk.unwritable", seen.path, what, seen.unwritable, mend))
    elif 0 <= seen.free < _FEW or 0 <= seen.free_files < _FEW_FILES:
        found.append(warn("disk.little", seen.path, "The disk of the store is nearly full.", room, cleaning))
    else:
        found.append(ok("disk.room", seen.path, "The store can be written.", room))
    if not seen.exists:
        return [*found, ok("store.new", seen.path, "There is no store yet; drydock warm or the proxy makes it.")]
    mend = "drydock verify --repair, in the stack: docker compose run --rm --no-deps warm verify --repair"
    if seen.damage:
        found.append(fail("store.damaged", seen.path, "The store's index cannot be read.", seen.damage, seen.mend or mend))
    elif seen.missing:
        evidence = f"{seen.missing} of {seen.responses} stored responses have no content"
        found.append(warn("store.incomplete", seen.path, "Content is missing from the store.", evidence, mend))
    else:
        found.append(ok("store.whole", seen.path, "The store is whole.", f"{seen.responses} stored responses"))
    if seen.aside:
        what = "Content that did not verify was put aside: a failing disk, or somebody who writes into the store."
        tidy = f"Look at the disk (dmesg, smartctl), then: {mend}"
        found.append(warn("store.quarantine", seen.path, what, f"{seen.aside} in quarantine", tidy))
    return found
