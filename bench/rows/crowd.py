"""A crowd: fifty clients that ask for the same uncached body at the same time."""

from bench.clients.curl import fetch
from bench.content import MB
from bench.metrics import Metric
from bench.place import Place, Running
from bench.row import Effort, Readings, Row
from bench.systems import CACHE, MITM, OURS, SQUID

_CLIENTS = 50


def _measure(place: Place, running: Running, _: Effort) -> Readings:
    body = place.content.fresh(14 * MB)
    seen = fetch(place, running, body, times=_CLIENTS)
    asked = place.asked(body)
    place.content.remove(body)
    return {Metric.WHOLE: max(one.whole for one in seen), Metric.UPSTREAM: asked}


CROWD = (Row("crowd", f"{_CLIENTS} clients, one uncached 14 MB", (OURS, CACHE, SQUID, MITM), _measure),)
