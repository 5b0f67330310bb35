"""What the tests of the worker container's start share: its modules on the path, and certificates made by openssl."""

import subprocess
import sys
from pathlib import Path

import pytest

DOCKER = Path(__file__).parents[1]
sys.path[:0] = [str(DOCKER / folder) for folder in ("worker", "ci", "auth", ".")]


def make_certificate(folder: Path, name: str) -> str:
    """Make a CA certificate and return its PEM text."""
    file = folder / f"{name}.crt"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-keyout", str(folder / f"{name}.key"), "-out", str(file)),
        ],
        check=True,
        capture_output=True,
    )
    return file.read_text()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("certificates")
    return {name: make_certificate(folder, name) for name in ("own", "corporate")}
