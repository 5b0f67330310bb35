"""What a run found: readings by row, system and metric; medians and verdicts; and the file they are kept in."""

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.bars import Bar
from bench.metrics import METRICS, Metric


@dataclass(frozen=True)
class Spread:
    """The median of several values, and the least and the most of them."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Sum up values, of which there is at least one."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Verdict:
    """Whether a bar was held, and by what figure."""

    row: str
    metric: str
    of: str
    bar: str
    found: Spread
    held: bool


@dataclass
class Results:
    """All readings of a run: row → system → metric → one value a round; `failures` says what gave none."""

    circumstances: dict[str, Any]
    titles: dict[str, str] = field(default_factory=dict)
    readings: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def add(self, row: str, system: str, seen: dict[Metric, float]) -> None:
        """Note what one measurement found."""
        for metric, value in seen.items():
            self.readings.setdefault(row, {}).setdefault(system, {}).setdefault(metric.key, []).append(round(value, 6))

    def values(self, row: str, system: str, metric: Metric) -> list[float]:
        """Return a value a round; none when it was not measured."""
        return self.readings.get(row, {}).get(system, {}).get(metric.key, [])

    def judge(self, bar: Bar, limit: float) -> Verdict | None:
        """Compare, round by round, with a bar; None when one of the two was not measured."""
        ours = self.values(bar.row, bar.of, bar.metric)
        others: list[float | None] = [None] * len(ours)
        if bar.against is not None:
            system, row = bar.against
            others = list(self.values(row, system, bar.metric))
        if not ours or not others:
            return None
        found = Spread.of([bar.figure(mine, other) for mine, other in zip(ours, others, strict=False)])
        held = bar.is_held(found.median, limit)
        return Verdict(bar.row, bar.metric.key, bar.of, bar.text(limit), found, held)

    def write(self, path: Path, verdicts: list[Verdict]) -> None:
        """Write everything as JSON."""
        document = asdict(self) | {"verdicts": [asdict(verdict) for verdict in verdicts]}
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def verdicts_of(path: Path) -> dict[tuple[str, str, str, str], Spread]:
    """Return the figures that an earlier run was judged by: (row, metric, system, bar) → figure."""
    document = json.loads(path.read_text())
    return {
        (one["row"], one["metric"], one["of"], one["bar"]): Spread(**one["found"])
        for one in document["verdicts"]
        if one["metric"] in METRICS
    }
