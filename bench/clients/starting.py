"""Starts `drydock proxy` on a store and says how long it took to accept, and what memory it had then."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.processes import members, memory
from tests.integration.running import drydock, plain_environment
from tests.upstream.child import Child, accepts, free_port


@dataclass(frozen=True)
class Started:
    """Seconds from the process's start until it accepted, and its memory in MB at that moment."""

    seconds: float
    memory: float


def start_proxy(directory: Path, store: Path, policy: str) -> Started:
    """Start the proxy once on `store`, with a state that is there already from the second time on, and stop it again."""
    config = directory / "drydock.toml"
    config.write_text(policy)
    port = free_port()
    command = [drydock(), "proxy", "--config", str(config), "--store", str(store), "--state", str(directory / "state")]
    command += ["--listen", "127.0.0.1:0", "--status-listen", "127.0.0.1:0", "--tls-listen", f"127.0.0.1:{port}"]
    # polled by the child's own start, every 20 ms; a refused connection costs it nothing
    child = Child(command, directory / "proxy.log", lambda: accepts(port), plain_environment(directory))
    began = time.perf_counter()
    child.start()
    seconds = time.perf_counter() - began
    held = memory(members(child.pid))
    child.stop()
    return Started(seconds, held)


def status_seconds(store: Path, directory: Path) -> float:
    """Return how long `drydock status` takes on a store, from start to end."""
    config = directory / "drydock.toml"
    command = [drydock(), "status", "--store", str(store), "--config", str(config)]
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, timeout=60, env=plain_environment(directory), cwd=directory)
    return time.perf_counter() - began
