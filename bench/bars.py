"""The bars: what each figure of drydock must reach, and the floor below it that a noisy machine is held to."""

from dataclasses import dataclass
from enum import StrEnum

from bench.metrics import Metric
from bench.systems import CACHE, DIRECT, MANY, OURS, STATIC


class Rule(StrEnum):
    """How a figure is judged: by its ratio or its difference to another system's of the same round, or by itself."""

    RATIO_AT_LEAST = "≥ {limit} × {against}"
    RATIO_AT_MOST = "≤ {limit} × {against}"
    AT_MOST_MORE = "≤ {against} + {limit} {unit}"
    AT_MOST = "≤ {limit} {unit}"


@dataclass(frozen=True)
class Bar:
    """`limit` holds in the whole run, `floor` in the quick one; None leaves the bar out there."""

    row: str
    metric: Metric
    rule: Rule
    limit: float | None
    against: tuple[str, str] | None = None  # system, and the row it is measured in
    floor: float | None = None
    of: str = OURS

    def text(self, limit: float) -> str:
        """Return the bar as a reader of the table sees it."""
        unit = self.metric.unit.partition(" ")[0].rstrip(",")
        return self.rule.value.format(limit=f"{limit:g}", against=self.against[0] if self.against else "", unit=unit)

    def is_held(self, found: float, limit: float) -> bool:
        """Say whether a figure, as `figure` made it, reaches the limit."""
        return found >= limit if self.rule is Rule.RATIO_AT_LEAST else found <= limit

    def figure(self, ours: float, other: float | None) -> float:
        """Return what is compared with the limit, from the readings of one round."""
        if self.rule is Rule.AT_MOST:
            return ours
        assert other is not None
        return ours - other if self.rule is Rule.AT_MOST_MORE else ours / other


def _hits(
    size: str, clients: list[int], metric: Metric, limit: float, cpu: Metric, cpu_limit: float, *, way: str = "hit"
) -> list[Bar]:
    bars = []
    for count in clients:
        row = f"{way}-{size}-{count}"
        static = (STATIC, row)
        bars.append(Bar(row, metric, Rule.RATIO_AT_LEAST, limit, static, floor=limit / 2))
        bars.append(Bar(row, cpu, Rule.RATIO_AT_MOST, cpu_limit, static, floor=cpu_limit * 2))
    return bars


BARS = (
    *_hits("1k", [8, 32], Metric.RATE, 0.8, Metric.CPU_REQUEST, 1.5),
    *_hits("100k", [8, 32], Metric.SPEED, 1.0, Metric.CPU_GB, 1.0),
    *_hits("14m", [1, 8, 32], Metric.SPEED, 1.0, Metric.CPU_GB, 1.0),
    *_hits("25m", [1, 8, 32], Metric.SPEED, 1.0, Metric.CPU_GB, 1.0),
    *_hits("1k", [8], Metric.RATE, 0.8, Metric.CPU_REQUEST, 1.5, way="net"),
    *_hits("100k", [8], Metric.SPEED, 1.0, Metric.CPU_GB, 1.0, way="net"),
    *_hits("14m", [1, 8, 32], Metric.SPEED, 1.0, Metric.CPU_GB, 1.0, way="net"),
    Bar("memory", Metric.MEMORY, Rule.AT_MOST, 100, floor=200),
    Bar("fairness", Metric.P99, Rule.AT_MOST, 15),
    # times are nothing to hold a noisy machine to; a server that lets large bodies pass first is a hundred times slower
    Bar("fairness", Metric.P99, Rule.RATIO_AT_MOST, None, (STATIC, "fairness"), floor=10.0),
    Bar("cold-first", Metric.FIRST_BYTE, Rule.AT_MOST_MORE, 20, (DIRECT, "cold-first")),
    Bar("cold-whole", Metric.WHOLE, Rule.RATIO_AT_MOST, 1.3, (CACHE, "cold-whole"), floor=3.0),
    Bar("crowd", Metric.WHOLE, Rule.RATIO_AT_MOST, 1.0, (CACHE, "crowd"), floor=2.5),
    Bar("crowd", Metric.UPSTREAM, Rule.AT_MOST, 1, floor=1),
    Bar("new-tls", Metric.CPU_CONNECTION, Rule.RATIO_AT_MOST, 2.0, (STATIC, "new-tls"), floor=5.0),
    Bar("new-connect", Metric.CPU_CONNECTION, Rule.RATIO_AT_MOST, 3.0, (STATIC, "new-connect"), floor=7.0),
    Bar("start", Metric.WHOLE, Rule.AT_MOST, 0.6),
    Bar("start", Metric.MEMORY, Rule.AT_MOST, 80, floor=120),
    *(
        Bar(row, metric, Rule.RATIO_AT_LEAST, 0.9, (OURS, row), of=MANY)
        for row, metric in (("many-1k-8", Metric.RATE), ("many-100k-8", Metric.SPEED), ("many-14m-8", Metric.SPEED))
    ),
    Bar("many-start", Metric.WHOLE, Rule.AT_MOST, 1.0, of=MANY),
    Bar("many-status", Metric.WHOLE, Rule.AT_MOST, 1.0, of=MANY),
)
