"""Lay a Worker's mounted sources out in its work volume, and tell what has to be installed there before it can run."""

import csv
import hashlib
import os
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

from worker_errors import WorkerError

# What tools write: these belong to the work volume, even where the host has its own copies beside the sources.
GENERATED = frozenset(
    {"node_modules", "python_modules", ".venv", ".venv-workers", ".wrangler", ".cache", "__pycache__", ".git", "uv.lock"}
)
# pywrangler reads and rewrites it, so a link to a read-only file would not do.
COPIED = frozenset({"pylock.toml"})


@dataclass(frozen=True)
class Project:
    """What a Worker's folder asks for."""

    root: Path
    python: bool
    """Whether it has a pyproject.toml, so that pywrangler cares for it."""
    dependencies: tuple[str, ...]
    """Its Python dependencies as pyproject.toml names them."""
    npm_lock: bool


def link_sources(source: Path, work: Path) -> None:
    """Link each entry of `source` into `work`, and take away links whose entry is gone.

    Folders that are mounted into `work` themselves (src) stay as they are.
    """
    if not source.is_dir():
        raise WorkerError(f"{source} is not there: expected the Worker's folder; mount it there, read-only")
    for link in work.iterdir():
        if link.is_symlink() and link.readlink().parent == source and not link.exists():
            link.unlink()
    for entry in source.iterdir():
        place = work / entry.name
        if entry.name in COPIED:
            if not place.exists() or entry.stat().st_mtime > place.stat().st_mtime:
                shutil.copy2(entry, place)
        elif entry.name not in GENERATED and not place.exists():
            place.unlink(missing_ok=True)
            place.symlink_to(entry)


def read_project(root: Path) -> Project:
    """Read what the Worker's folder declares."""
    if not any((root / name).is_file() for name in ("wrangler.jsonc", "wrangler.json", "wrangler.toml")):
        raise WorkerError(f"{root} is not a Worker: expected wrangler.jsonc, wrangler.json or wrangler.toml, found none")
    manifest = root / "pyproject.toml"
    dependencies: tuple[str, ...] = ()
    if manifest.is_file():
        try:
            dependencies = tuple(tomllib.loads(manifest.read_text()).get("project", {}).get("dependencies", ()))
        except tomllib.TOMLDecodeError as error:
            raise WorkerError(f"{manifest} is not TOML: {error}; mend that line") from error
    return Project(root, manifest.is_file(), dependencies, (root / "package-lock.json").is_file())


def check_secrets(root: Path) -> None:
    """Raise WorkerError where the secrets for local development are there and cannot be read; none is fine.

    They are linked, like every source, and not copied: what the volume holds of them is their path.
    """
    for file in sorted(root.glob(".dev.vars*")):
        if file.exists() and not os.access(file, os.R_OK):
            facts = file.stat()
            raise WorkerError(
                f"{file.name} cannot be read: expected one that user {os.geteuid()} may read, found mode {facts.st_mode & 0o777:04o} of "
                f"user {facts.st_uid}; on the host: setfacl --modify user:{os.geteuid()}:r {file.name}"
            )


def fingerprint(root: Path, names: tuple[str, ...], *more: str) -> str:
    """Digest what an installation depends on: files of the Worker by name, and versions of tools."""
    digest = hashlib.sha256("\n".join(more).encode())
    for name in names:
        file = root / name
        digest.update(name.encode() + b"\0" + (file.read_bytes() if file.is_file() else b"") + b"\0")
    return digest.hexdigest()


def is_stale(token: Path, wanted: str) -> bool:
    """Tell whether an installation was made from something else than `wanted`, or not at all."""
    return not token.is_file() or token.read_text() != wanted


def place_sdk(site_packages: Path, project: Project, pywrangler_version: str) -> None:
    """Put the image's runtime SDK where pywrangler would install it, for a Worker without any other dependency.

    Newer runtimes carry no SDK, and `pywrangler sync` would fetch an interpreter and ask indexes to install this one package.
    The two tokens are what pywrangler (1.17) looks at before it syncs.
    """
    modules = project.root / "python_modules"
    shutil.rmtree(modules, ignore_errors=True)
    modules.mkdir()
    record = next(site_packages.glob("workers_runtime_sdk-*.dist-info/RECORD"))
    for name, *_ in csv.reader(record.read_text().splitlines()):
        if "__pycache__" not in name:
            (modules / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(site_packages / name, modules / name)
    (modules / "pyvenv.cfg").touch()
    environment = project.root / ".venv-workers"
    environment.mkdir(exist_ok=True)
    for folder in (modules, environment):
        (folder / ".synced").write_text(pywrangler_version)


def seed_lock(root: Path, sdk_version: str) -> None:
    """Make `pywrangler sync` prefer the image's version of the SDK, which it would otherwise take as new as there is.

    It keeps to the versions in pylock.toml; a Worker that asks for another one in pyproject.toml still gets that.
    """
    lock = root / "pylock.toml"
    if not lock.exists():
        lock.write_text(
            'lock-version = "1.0"\ncreated-by = "drydock"\n\n'
            f'[[packages]]\nname = "workers-runtime-sdk"\nversion = "{sdk_version}"\n'
        )
