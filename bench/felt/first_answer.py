"""Runs in a Worker's container: starts workerd several times and prints the milliseconds to its first answer, a line each."""

import http.client
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TIMES = 5
_PORT = 8799
_SECONDS = 60
_WORKER = """
from js import Response

async def on_fetch(request):
    return Response.new("ok")
"""
_CONFIG = """
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:%d", http = (), service = "main")]
);
const worker :Workerd.Worker = (
  modules = [(name = "worker.py", pythonModule = embed "worker.py")],
  compatibilityDate = "2024-11-01",
  compatibilityFlags = ["python_workers"]
);
"""


def _answers() -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", _PORT, timeout=_SECONDS)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read() == b"ok"
    except ConnectionRefusedError:
        return False
    finally:
        connection.close()


def _start(directory: str) -> float:
    began = time.monotonic()
    command = ["workerd-cached", "serve", "--experimental", "config.capnp"]
    with (Path(directory) / "log").open("w") as log:
        runtime = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log)
    try:
        while not _answers():
            if runtime.poll() is not None or time.monotonic() - began > _SECONDS:
                sys.exit(f"workerd gave no answer:\n{(Path(directory) / 'log').read_text()}")
            time.sleep(0.002)
        return time.monotonic() - began
    finally:
        runtime.kill()
        runtime.wait()


def main() -> None:
    """Start the runtime several times."""
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "worker.py").write_text(_WORKER)
        (Path(directory) / "config.capnp").write_text(_CONFIG % _PORT)
        for _ in range(TIMES):
            print(f"{_start(directory) * 1000:.1f}", flush=True)


if __name__ == "__main__":
    main()
