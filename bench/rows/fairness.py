"""Fairness: how long a small answer takes while large bodies are pulled."""

from bench.clients.wrk import Wrk, load
from bench.metrics import Metric
from bench.place import Place, Running
from bench.row import Effort, Readings, Row
from bench.systems import CACHE, MITM, OURS, SQUID, STATIC

_PULLS = 4
_LEAST_SECONDS = 3  # some systems answer once a second then


def _measure(place: Place, running: Running, effort: Effort) -> Readings:
    large, small = (place.url(place.content.bodies[size]) for size in ("100m", "1k"))
    seconds = max(effort.seconds, _LEAST_SECONDS)
    # a second longer, so that the small ones are never alone
    pulling = Wrk(running.tls, large, _PULLS, seconds + 1, threads=1)
    seen = load(running.tls, small, 1, seconds)
    pulling.result()
    return {Metric.P99: seen.p99_ms}


FAIRNESS = (Row("fairness", "1 KB while 4 clients pull 100 MB", (OURS, STATIC, CACHE, SQUID, MITM), _measure),)
