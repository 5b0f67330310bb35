"""Cold misses: the first byte of a body that arrives at a pace, and the whole of one that arrives as fast as it can."""

from bench.clients.curl import fetch
from bench.content import MB
from bench.metrics import Metric
from bench.place import Place, Running
from bench.row import Effort, Readings, Row
from bench.systems import CACHE, DIRECT, MITM, OURS, SQUID

_SYSTEMS = (OURS, DIRECT, CACHE, SQUID, MITM)
_SIZE = 100 * MB


def _first_byte(place: Place, running: Running, _: Effort) -> Readings:
    body = place.content.fresh(_SIZE)
    (seen,) = fetch(place, running, body, paced=True)
    place.content.remove(body)
    return {Metric.FIRST_BYTE: seen.first_byte * 1e3}


def _whole(place: Place, running: Running, _: Effort) -> Readings:
    body = place.content.fresh(_SIZE)
    (seen,) = fetch(place, running, body)
    place.content.remove(body)
    return {Metric.WHOLE: seen.whole}


COLD = (
    Row("cold-first", "100 MB cold, upstream at 50 MB/s", _SYSTEMS, _first_byte),
    Row("cold-whole", "100 MB cold, upstream unlimited", _SYSTEMS, _whole),
)
