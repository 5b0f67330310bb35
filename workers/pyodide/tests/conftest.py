"""Node 24, vendored packages, and a Worker that serves in real Pyodide."""

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
HARNESS = HERE.parent
KIT = HARNESS.parent / "kit"
sys.path.insert(0, str(HERE))
DEADLINE = 300
"""Seconds for one start, with everything else on the machine's processors."""


@pytest.fixture(scope="session")
def node() -> str:
    """Return a Node of version 24 or newer: $NODE24, or the one on PATH."""
    found = os.environ.get("NODE24") or shutil.which("node") or ""
    version = (
        subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout.strip() if found else "none"
    )
    assert version.removeprefix("v").partition(".")[0].isdigit(), f"node is needed, found {version}: set NODE24 to one"
    assert int(version.removeprefix("v").partition(".")[0]) >= 24, f"node 24 is needed, found {version}: set NODE24 to one"
    assert (HARNESS / "node_modules" / "pyodide").is_dir(), (
        f"Pyodide is not installed: run `npm ci --ignore-scripts` in {HARNESS}"
    )
    return found


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vendor the locked packages and this checkout's kit."""
    into = tmp_path_factory.mktemp("vendored") / "python_modules"
    subprocess.run([sys.executable, HARNESS / "vendor.py", into, KIT / "src" / "worker_kit"], check=True)
    return into


@pytest.fixture(scope="session")
def peer_url() -> Iterator[str]:
    """Serve the small server that Workers talk to."""
    from peer import peer

    with peer() as url:
        yield url


@pytest.fixture(scope="session")
def worker(node: str, modules: Path, peer_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the test Worker and give its address."""
    log = tmp_path_factory.mktemp("worker") / "stderr"
    options: list[str | Path] = [
        "--modules",
        modules,
        "--set",
        "API_KEY=geheim",
        "--ai",
        peer_url,
        "--service",
        f"PEER={peer_url}",
        "--migrate",
    ]
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [node, HARNESS / "serve.mjs", HERE / "worker", *options], stdout=subprocess.PIPE, stderr=stderr, text=True
        )
    assert process.stdout is not None
    until = time.monotonic() + DEADLINE
    address = ""
    while not address:
        assert process.poll() is None, f"the Worker ended: {log.read_text()}"
        assert time.monotonic() < until, f"the Worker is not ready after {DEADLINE} s: {log.read_text()}"
        if select.select([process.stdout], [], [], 1)[0]:
            line = process.stdout.readline()
            address = json.loads(line)["ready"] if '"ready"' in line else ""
    try:
        yield address
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()
