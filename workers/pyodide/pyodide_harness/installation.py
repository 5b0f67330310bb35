"""Find what real Pyodide needs on this machine, or say which command would bring it."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HARNESS = Path(__file__).parents[1]
FOLDER = "WORKERS_PYODIDE"
"""Names a folder with node_modules and python_modules; unset, it is workers/pyodide itself."""
NODE = "NODE24"
"""Names a Node where the one on PATH is too old."""
OLDEST_NODE = 24


class NotInstalledError(Exception):
    """Something is missing; the text says what, and which command brings it."""


@dataclass(frozen=True)
class Installation:
    """What runs Pyodide."""

    node: str
    node_modules: Path
    python_modules: Path


def node_version(text: str) -> int:
    """Read the major version from what `node --version` prints; 0 where there is none."""
    major = text.strip().removeprefix("v").partition(".")[0]
    return int(major) if major.isdecimal() else 0


def find(environ: Mapping[str, str] = os.environ) -> Installation:
    """Find Node, its packages and the packages for wasm, or raise NotInstalledError."""
    node = environ.get(NODE) or shutil.which("node", path=environ.get("PATH")) or ""
    try:
        version = (
            subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip() if node else ""
        )
    except OSError:
        version = ""
    if node_version(version) < OLDEST_NODE:
        raise NotInstalledError(
            f"Pyodide needs Node {OLDEST_NODE} or newer, found {version or 'none'}: install it, or name it in {NODE}"
        )
    folder = Path(environ.get(FOLDER) or HARNESS).resolve()
    found = Installation(node, folder / "node_modules", folder / "python_modules")
    if not (found.node_modules / "pyodide").is_dir():
        raise NotInstalledError(f"{found.node_modules} has no Pyodide: run `npm ci --ignore-scripts` in {HARNESS}")
    if not (found.python_modules / "workers").is_dir():
        raise NotInstalledError(
            f"{found.python_modules} has no packages: run `python {HARNESS / 'vendor.py'} {found.python_modules}`"
        )
    return found
