"""The real programs that the sources ask: workerd from npm, pywrangler from the package index, kept between runs."""

import os
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

_CPU = {"x86_64": "64", "aarch64": "arm64"}
# How npm and uv say that nothing outside is reached.
_NO_NETWORK = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|error sending request|dns error")
_REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder for downloads of the tests: DRYDOCK_TEST_ASSETS, or one beside the other temporary files."""
    folder = Path(os.environ.get("DRYDOCK_TEST_ASSETS") or Path(tempfile.gettempdir()) / "drydock-test-assets")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _install(target: Path, install: Callable[[Path], None]) -> None:
    """Fill `target` at once: an interrupted or parallel run leaves nothing half done under that name."""
    if target.exists():
        return
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        try:
            install(made)
        except subprocess.CalledProcessError as error:
            fault = f"{error.cmd[0]} could not download {target.name}: {error.stderr.strip()[-300:]}"
            if _NO_NETWORK.search(error.stderr):
                pytest.skip(fault)
            pytest.fail(fault)
        if not target.exists():
            made.rename(target)


@pytest.fixture(scope="session")
def workerd(assets: Path) -> Callable[[str], Path]:
    """Give the real workerd of a version."""

    def of_version(version: str) -> Path:
        target = assets / f"workerd-{version}"

        def pack(folder: Path) -> None:
            package = f"@cloudflare/workerd-linux-{_CPU[platform.machine()]}@{version}"
            packed = subprocess.run(
                ["npm", "pack", "--silent", package], cwd=folder, capture_output=True, text=True, check=True
            )
            archive = folder / packed.stdout.strip().splitlines()[-1]
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
            archive.unlink()

        _install(target, pack)
        return target / "package/bin/workerd"

    return of_version


@pytest.fixture(scope="session")
def pywrangler_path(assets: Path) -> str:
    """A PATH with the pywrangler that the worker image pins, and the uv of the tests."""
    target = assets / "pywrangler"

    def install(folder: Path) -> None:
        pins = _REPOSITORY / "docker/requirements/worker.in"
        # Relocatable, since the folder gets its name at the end.
        for command in (
            ["uv", "venv", "--quiet", "--relocatable", "--no-project", "--python", sys.executable, str(folder / "venv")],
            ["uv", "pip", "install", "--quiet", "--python", str(folder / "venv"), "-r", str(pins)],
        ):
            subprocess.run(command, capture_output=True, text=True, check=True)

    _install(target, install)
    return f"{target / 'venv/bin'}{os.pathsep}{os.environ['PATH']}"
