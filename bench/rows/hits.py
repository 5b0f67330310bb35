"""Hits: requests or bytes a second, and the server's CPU time for each."""

from bench.clients.wrk import load
from bench.metrics import Metric
from bench.place import Place, Running
from bench.processes import cpu_seconds
from bench.row import Effort, Measure, Readings, Row
from bench.systems import CACHE, MITM, OURS, SQUID, STATIC

_SYSTEMS = (OURS, STATIC, CACHE, SQUID, MITM)
_TITLES = {"1k": "1 KB", "100k": "100 KB", "14m": "14 MB", "25m": "25 MB"}


def hit(size: str, clients: int) -> Measure:
    """Return the measurement of one body that `clients` ask for all the time; small ones are counted, large ones weighed."""

    def measure(place: Place, running: Running, effort: Effort) -> Readings:
        body = place.content.bodies[size]
        before = cpu_seconds(running.child.pid)
        seen = load(running.tls, place.url(body), clients, effort.seconds)
        cpu = cpu_seconds(running.child.pid) - before
        if size == "1k":
            return {Metric.RATE: seen.requests / seen.seconds, Metric.CPU_REQUEST: cpu / seen.requests * 1e6}
        return {Metric.SPEED: seen.bytes / seen.seconds / 1e6, Metric.CPU_GB: cpu / (seen.bytes / 1e9)}

    return measure


def _row(size: str, clients: int) -> Row:
    title = f"{_TITLES[size]} hit, {clients} client{'s' if clients > 1 else ''}"
    return Row(f"hit-{size}-{clients}", title, _SYSTEMS, hit(size, clients))


def _networked(size: str, clients: int) -> Row:
    row = _row(size, clients)
    return Row(f"net-{size}-{clients}", f"{row.title}, network", (OURS, STATIC), row.measure, networked=True)


_LOADS = [
    ("1k", 8),
    ("1k", 32),
    ("100k", 8),
    ("100k", 32),
    ("14m", 1),
    ("14m", 8),
    ("14m", 32),
    ("25m", 1),
    ("25m", 8),
    ("25m", 32),
]
_NETWORKED = [("1k", 8), ("100k", 8), ("14m", 1), ("14m", 8), ("14m", 32)]
HITS = (
    *(_row(size, clients) for size, clients in _LOADS),
    *(_networked(size, clients) for size, clients in _NETWORKED),
)
