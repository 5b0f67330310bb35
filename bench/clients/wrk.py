"""wrk: keeps a number of TLS connections busy for some seconds, and says what came."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_suffix(".lua")
_LATE_SECONDS = 60


@dataclass(frozen=True)
class Load:
    """What wrk saw. `bytes` counts unfinished answers too, `requests` whole ones alone."""

    seconds: float
    requests: int
    bytes: int
    p50_ms: float
    p99_ms: float
    errors: int
    timeouts: int


class Wrk:
    """A run of wrk that is under way."""

    def __init__(self, port: int, url: str, clients: int, seconds: int, *, threads: int = 2) -> None:
        self._command = ["wrk", "-t", str(min(threads, clients)), "-c", str(clients), "-d", str(seconds), "--timeout", "30s"]
        self._command += ["-s", str(_SCRIPT), url]
        self._limit = seconds + _LATE_SECONDS
        env = {**os.environ, "BENCH_PORT": str(port)}
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)

    def result(self) -> Load:
        """Wait for its end; raise RuntimeError when an answer was an error or none came."""
        try:
            output, _ = self._process.communicate(timeout=self._limit)
        except subprocess.TimeoutExpired:
            self._process.kill()
            output, _ = self._process.communicate()
        line = output.rstrip().rpartition("\n")[2]
        if self._process.returncode or not line.startswith("{"):
            raise RuntimeError(f"{' '.join(self._command)} ended with {self._process.returncode}:\n{output}")
        load = Load(**json.loads(line))
        if load.errors or not load.bytes:
            raise RuntimeError(f"{' '.join(self._command)}: expected answers without errors, found {load}")
        return load


def load(port: int, url: str, clients: int, seconds: int, *, threads: int = 2) -> Load:
    """Run wrk to its end."""
    return Wrk(port, url, clients, seconds, threads=threads).result()
