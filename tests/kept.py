"""Programs that tests download once, kept between runs: the toolchain of the worker image, and workerds of chosen versions."""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
# How npm, pip and uv say that nothing outside is reached.
_NO_NETWORK = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|error sending request|dns error|NewConnectionError"
)
_CPU = {"x86_64": "64", "aarch64": "arm64"}


def kept(name: str, install: Callable[[Path], None]) -> Path:
    """Install once under a name; an interrupted or parallel run leaves nothing half done there."""
    place = Path(os.environ.get("DRYDOCK_TEST_ASSETS") or Path(tempfile.gettempdir()) / "drydock-test-assets")
    place.mkdir(parents=True, exist_ok=True)
    target = place / name
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=place) as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            install(made)
            try:
                made.rename(target)
            except OSError:  # another one was faster
                if not target.exists():
                    raise
    return target


def kept_for(name: str, pins: list[Path], install: Callable[[Path], None]) -> Path:
    """Install once for the content of these files."""
    return kept(f"{name}-{hashlib.sha256(b''.join(pin.read_bytes() for pin in pins)).hexdigest()[:12]}", install)


def download(*command: str, cwd: Path | None = None) -> str:
    """Run a command that downloads and return what it printed; skip the test where no network is reached."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        fault = f"{' '.join(command[:3])} ended with {done.returncode}: {done.stderr.strip()[-400:]}"
        pytest.skip(fault) if _NO_NETWORK.search(done.stderr) else pytest.fail(fault)
    return done.stdout


def toolchain() -> Path:
    """Return the folder with node_modules as the worker image has it, and pywrangler in `venv`."""
    pins = [REPOSITORY / "docker/toolchain/package-lock.json", REPOSITORY / "docker/requirements/worker.in"]

    def install(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(REPOSITORY / "docker/toolchain" / name, folder)
        download("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
        download("uv", "venv", "--quiet", "--relocatable", "--no-project", "--python", sys.executable, str(folder / "venv"))
        download("uv", "pip", "install", "--quiet", "--python", str(folder / "venv"), "-r", str(pins[1]))

    return kept_for("toolchain", pins, install)


def workerd(version: str) -> Path:
    """Return the real workerd of a version."""

    def install(folder: Path) -> None:
        package = f"@cloudflare/workerd-linux-{_CPU[platform.machine()]}@{version}"
        archive = folder / download("npm", "pack", "--silent", package, cwd=folder).strip().splitlines()[-1]
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        archive.unlink()

    return kept(f"workerd-{version}", install) / "package/bin/workerd"
