"""Verdicts: a figure that falls short of its bar is called so, round by round and with its spread."""

import json
from pathlib import Path

import pytest

from bench import report
from bench.bars import BARS, Bar, Rule
from bench.metrics import Metric
from bench.results import Results, Spread, verdicts_of
from bench.rows import ROWS
from bench.systems import OURS, STATIC

SPEED = Bar("hit", Metric.SPEED, Rule.RATIO_AT_LEAST, 1.0, (STATIC, "hit"))
CPU = Bar("hit", Metric.CPU_GB, Rule.RATIO_AT_MOST, 1.0, (STATIC, "hit"))
FIRST = Bar("cold", Metric.FIRST_BYTE, Rule.AT_MOST_MORE, 20, ("direct", "cold"))
MEMORY = Bar("memory", Metric.MEMORY, Rule.AT_MOST, 100)


def _results(bar: Bar, ours: list[float], others: list[float]) -> Results:
    results = Results({}, {bar.row: "a row"})
    for mine, other in zip(ours, others, strict=True):
        results.add(bar.row, OURS, {bar.metric: mine})
        if bar.against:
            results.add(bar.row, bar.against[0], {bar.metric: other})
    return results


@pytest.mark.parametrize(
    ("bar", "ours", "others", "found", "held"),
    [
        (SPEED, [900, 1000, 1500], [1000, 1000, 1000], Spread(1.0, 0.9, 1.5), True),
        (SPEED, [900, 990, 1500], [1000, 1000, 1000], Spread(0.99, 0.9, 1.5), False),
        (CPU, [0.5, 0.4, 0.9], [0.5, 0.5, 0.5], Spread(1.0, 0.8, 1.8), True),
        (CPU, [0.6, 0.4, 0.9], [0.5, 0.5, 0.5], Spread(1.2, 0.8, 1.8), False),
        (FIRST, [22, 21, 26], [2, 2, 5], Spread(20, 19, 21), True),
        (FIRST, [24, 21, 26], [2, 2, 5], Spread(21, 19, 22), False),
        (MEMORY, [99, 100, 101], [0, 0, 0], Spread(100, 99, 101), True),
        (MEMORY, [99, 101, 101], [0, 0, 0], Spread(101, 99, 101), False),
    ],
)
def test_the_median_over_the_rounds_decides(
    bar: Bar, ours: list[float], others: list[float], found: Spread, held: bool
) -> None:
    """Each round is compared with the other system in the same round; the limit itself is still held."""
    assert bar.limit is not None
    verdict = _results(bar, ours, others).judge(bar, bar.limit)
    assert verdict is not None
    assert verdict.held is held
    assert verdict.found.median == pytest.approx(found.median)
    assert verdict.found.least == pytest.approx(found.least)
    assert verdict.found.most == pytest.approx(found.most)


def test_what_was_not_measured_is_not_judged() -> None:
    """A bar without readings of both systems gives no verdict, rather than one that is held."""
    results = Results({})
    results.add("hit", OURS, {Metric.SPEED: 1000})
    assert results.judge(SPEED, 1.0) is None


def test_every_bar_belongs_to_a_row_that_measures_both_systems() -> None:
    """No bar can be passed over because its name or its system is misspelt."""
    rows = {row.id: row.systems for row in ROWS}
    for bar in BARS:
        assert bar.of in rows[bar.row]
        if bar.against:
            system, row = bar.against
            assert system in rows[row]


def test_floors_are_weaker_than_bars() -> None:
    """What the quick run lets pass may miss the bar, never the other way round."""
    for bar in BARS:
        if bar.limit is not None and bar.floor is not None:
            assert bar.is_held(bar.limit, bar.floor)


def test_a_later_run_is_compared_with_the_file_of_an_earlier_one(tmp_path: Path) -> None:
    """The figures go to the file and come back, and the table shows both."""
    earlier = _results(SPEED, [800], [1000])
    verdict = earlier.judge(SPEED, 1.0)
    assert verdict is not None
    earlier.write(tmp_path / "earlier.json", [verdict])
    assert json.loads((tmp_path / "earlier.json").read_text())["readings"]["hit"][OURS]["speed"] == [800]
    later = _results(SPEED, [1200], [1000])
    now = later.judge(SPEED, 1.0)
    assert now is not None
    line = report.bars(later, [now], verdicts_of(tmp_path / "earlier.json")).splitlines()[1]
    assert "1.200" in line
    assert "0.800" in line
    assert line.endswith("held")
