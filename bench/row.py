"""A row of the table: what is measured of which systems."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.metrics import Metric
from bench.place import Place, Running


@dataclass(frozen=True)
class Effort:
    """How much is spent on one reading: seconds of load, and connections made."""

    seconds: int
    connections: int


type Readings = dict[Metric, float]
type Measure = Callable[[Place, Running, Effort], Readings]


@dataclass(frozen=True)
class Row:
    """`measure` is asked once a round for each of `systems`, which take turns.

    With `networked`, everything is on a network with packets of 1,500 bytes, as between containers, in place of loopback's 64 KiB.
    """

    id: str
    title: str
    systems: tuple[str, ...]
    measure: Measure
    networked: bool = False
