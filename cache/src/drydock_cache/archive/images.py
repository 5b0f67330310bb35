"""Container images in an export: saved and loaded by the docker command, where there is one."""

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from drydock_cache.archive.layout import ArchiveError
from drydock_cache.archive.writing import Images
from drydock_cache.digest import Digest

_PIECE = 1 << 20


def has_docker() -> bool:
    """Say whether there is a docker command."""
    return shutil.which("docker") is not None


def project_images() -> list[str]:
    """Return the images of the compose project in the working folder, sorted; raise ArchiveError."""
    names = sorted(set(_docker("compose", "config", "--images").split()))
    if not names:
        raise ArchiveError("The compose project in this folder has no images.", "Name them with --image NAME")
    return names


def save_images(names: Sequence[str], path: Path, progress: Callable[[int], None]) -> Images:
    """Save images into one file; raise ArchiveError, with nothing left, when docker fails."""
    digest, size = hashlib.sha256(), 0
    command = ["docker", "save", *names]
    try:
        with path.open("wb") as file, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as docker:
            assert docker.stdout is not None
            assert docker.stderr is not None
            while data := docker.stdout.read(_PIECE):
                digest.update(data)
                size += len(data)
                file.write(data)
                progress(len(data))
            said = docker.stderr.read().decode(errors="replace").strip()
        if docker.returncode:
            raise _failed(command, said)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise ArchiveError(
            f"The images cannot be saved to {path}: {error.strerror}.", "Check that docker is installed."
        ) from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Images(path, Digest(digest.hexdigest()), size)


def load_images(path: Path) -> list[str]:
    """Load images from a file that `docker save` wrote and return what docker says of each; raise ArchiveError."""
    return _docker("load", "--input", str(path)).splitlines()


def _docker(*arguments: str) -> str:
    command = ["docker", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ArchiveError(f"docker cannot be started: {error.strerror}.", "Install it, or do without images.") from error
    if done.returncode:
        raise _failed(command, done.stderr.strip())
    return done.stdout


def _failed(command: Sequence[str], said: str) -> ArchiveError:
    return ArchiveError(
        f"{' '.join(command[:3])} failed: {said.splitlines()[-1] if said else 'it said nothing'}.", "Try it by hand."
    )
