"""Memory while many clients pull a large body."""

from bench.clients.wrk import load
from bench.metrics import Metric
from bench.place import Place, Running
from bench.processes import watched
from bench.row import Effort, Readings, Row
from bench.systems import CACHE, MITM, OURS, SQUID, STATIC


def _measure(place: Place, running: Running, effort: Effort) -> Readings:
    with watched(running.child.pid) as peak:
        load(running.tls, place.url(place.content.bodies["14m"]), 32, effort.seconds)
    return {Metric.MEMORY: peak.memory}


MEMORY = (Row("memory", "peak memory, 32 clients × 14 MB", (OURS, STATIC, CACHE, SQUID, MITM), _measure),)
