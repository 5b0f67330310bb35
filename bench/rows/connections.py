"""New connections: the server's CPU time for TCP, TLS and one small hit, by both ways in."""

from bench.clients.connecting import connect
from bench.clients.curl import Way
from bench.metrics import Metric
from bench.place import Place, Running
from bench.processes import cpu_seconds
from bench.row import Effort, Measure, Readings, Row
from bench.systems import CACHE, MITM, OURS, SQUID, STATIC


def _new(way: Way) -> Measure:
    def measure(place: Place, running: Running, effort: Effort) -> Readings:
        before = cpu_seconds(running.child.pid)
        connect(running, way, place.content.bodies["1k"], effort.connections)
        return {Metric.CPU_CONNECTION: (cpu_seconds(running.child.pid) - before) / effort.connections * 1e6}

    return measure


CONNECTIONS = (
    Row("new-tls", "new connection with one 1 KB hit, :443", (OURS, STATIC, CACHE, SQUID, MITM), _new(Way.TLS)),
    # nginx has no CONNECT: what it takes at :443 is what others are compared with
    Row("new-connect", "new connection with one 1 KB hit, CONNECT", (OURS, STATIC, SQUID, MITM), _new(Way.CONNECT)),
)
