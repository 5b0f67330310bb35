"""A store of 100,000 entries: the same figures as with an empty one, and how long a look and a start take."""

from bench.clients.starting import start_proxy, status_seconds
from bench.metrics import Metric
from bench.place import Place, Running
from bench.row import Effort, Readings, Row
from bench.rows.hits import hit
from bench.systems import MANY, OURS
from bench.systems.ours import POLICY, spare


def _start(place: Place, running: Running, _: Effort) -> Readings:
    directory, store = spare(place, running)
    seen = start_proxy(directory, store, POLICY)
    return {Metric.WHOLE: seen.seconds, Metric.MEMORY: seen.memory}


def _status(place: Place, running: Running, _: Effort) -> Readings:
    directory, store = spare(place, running)
    return {Metric.WHOLE: status_seconds(store, directory)}


LARGE_STORE = (
    Row("many-1k-8", "1 KB hit, 8 clients, by size of the store", (MANY, OURS), hit("1k", 8)),
    Row("many-100k-8", "100 KB hit, 8 clients, by size of the store", (MANY, OURS), hit("100k", 8)),
    Row("many-14m-8", "14 MB hit, 8 clients, by size of the store", (MANY, OURS), hit("14m", 8)),
    Row("many-start", "proxy, start to accepting, by size of the store", (MANY, OURS), _start),
    Row("many-status", "drydock status, by size of the store", (MANY, OURS), _status),
)
