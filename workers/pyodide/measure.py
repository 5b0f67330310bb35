"""Print what each Worker costs in real Pyodide (start, memory, size, requests a second): python measure.py [WORKER...]."""

import argparse
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pyodide_harness.installation import HARNESS, NotInstalledError, find
from pyodide_harness.pyodide import Pyodide, lay_out

WORKERS = HARNESS.parent
MEGABYTE = 1_000_000
WARM_UP, REQUESTS = 20, 200


@dataclass(frozen=True)
class Figures:
    """What one Worker costs."""

    import_seconds: float
    """To import the entry, with nothing of it imported before."""
    first_answer_seconds: float
    """From the first request of all to its answer."""
    requests_per_second: float
    """Of /health, which probes every binding: one client, one connection, one request after the other."""
    memory_started: int
    """Bytes of Pyodide's memory once the entry is imported."""
    memory_served: int
    """Bytes of it after all requests; it never shrinks."""
    sources: int
    """Bytes of the Worker's own modules."""


def workers_with_health() -> list[str]:
    """Name the Workers that include the kit's router, and so have /health."""
    sources = (file for worker in WORKERS.glob("*/wrangler.jsonc") for file in (worker.parent / "src").rglob("*.py"))
    return sorted({file.relative_to(WORKERS).parts[0] for file in sources if "health_router" in file.read_text()})


def size(folder: Path) -> int:
    """Return the bytes of all files below a folder, bytecode left out."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def measure(pyodide: Pyodide, worker: str, log: Path, requests: int = REQUESTS) -> Figures:
    """Serve a Worker, send it so many requests, and return what that took."""
    folder = WORKERS / worker
    with pyodide.serve(folder, log=log) as served:
        url = urlsplit(served.url)
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
        first = _seconds(connection, 1)
        _seconds(connection, WARM_UP)
        taken = _seconds(connection, requests)
        connection.close()
    ended = json.loads(log.read_text().splitlines()[-1])
    return Figures(
        import_seconds=served.figures["import_ms"] / 1000,
        first_answer_seconds=first,
        requests_per_second=requests / taken,
        memory_started=served.figures["wasm_memory_bytes"],
        memory_served=ended["wasm_memory_bytes"],
        sources=size(folder / "src"),
    )


def _seconds(connection: http.client.HTTPConnection, requests: int) -> float:
    start = time.perf_counter()
    for _ in range(requests):
        connection.request("GET", "/health")
        response = connection.getresponse()
        body = response.read()
        if response.status != http.client.OK or b'"checks"' not in body:
            raise RuntimeError(f"/health answered {response.status}, expected 200 with the state of each part: {body[:200]!r}")
    return time.perf_counter() - start


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workers", nargs="*", metavar="WORKER", help="folders of workers/ (default: all with /health)")
    names = parser.parse_args(arguments).workers or workers_with_health()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            pyodide = lay_out(find(), Path(scratch))
        except NotInstalledError as error:
            print(f"measure: {error}", file=sys.stderr)
            return 1
        print(
            f"vendored modules: {size(pyodide.modules) / MEGABYTE:.1f} MB, the kit's {size(pyodide.modules / 'worker_kit')} bytes"
        )
        print("| Worker | own modules | import | first answer | /health | memory at start | after requests |")
        print("|---|---|---|---|---|---|---|")
        for name in names:
            figures = measure(pyodide, name, Path(scratch) / f"{name}.log")
            print(
                f"| {name} | {figures.sources / 1000:.0f} kB | {figures.import_seconds:.2f} s"
                f" | {figures.first_answer_seconds * 1000:.0f} ms | {figures.requests_per_second:.0f}/s"
                f" | {figures.memory_started / MEGABYTE:.0f} MB | {figures.memory_served / MEGABYTE:.0f} MB |"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
