"""Starting: until the proxy accepts, on a store that has been used."""

from bench.clients.starting import start_proxy
from bench.metrics import Metric
from bench.place import Place, Running
from bench.row import Effort, Readings, Row
from bench.systems import OURS
from bench.systems.ours import POLICY, spare


def _measure(place: Place, running: Running, _: Effort) -> Readings:
    directory, store = spare(place, running)
    seen = start_proxy(directory, store, POLICY)
    return {Metric.WHOLE: seen.seconds, Metric.MEMORY: seen.memory}


STARTING = (Row("start", "proxy, start to accepting", (OURS,), _measure),)
