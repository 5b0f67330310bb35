"""The table that a run prints: medians with their spread, and each bar with the figure that was found."""

from collections.abc import Iterable, Sequence

from bench.metrics import METRICS
from bench.results import Results, Spread, Verdict


def _columns(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *cells]).rstrip()


def _cell(values: list[float], decimals: int) -> str:
    if not values:
        return "–"
    spread = Spread.of(values)
    return f"{spread.median:,.{decimals}f} ({spread.least:,.{decimals}f}–{spread.most:,.{decimals}f})"


def figures(results: Results, systems: Sequence[str]) -> str:
    """Return the table of medians, with the least and the most in brackets: a line a row and metric, a column a system."""
    table = [["", "unit", *systems]]
    for row, by_system in results.readings.items():
        metrics = dict.fromkeys(key for by_metric in by_system.values() for key in by_metric)
        for metric in (METRICS[key] for key in metrics):
            cells = [_cell(results.values(row, system, metric), metric.decimals) for system in systems]
            table.append([results.titles[row], metric.unit, *cells])
    return "\n".join(_columns(table))


def bars(results: Results, verdicts: Iterable[Verdict], before: dict[tuple[str, str, str, str], Spread]) -> str:
    """Return the table of bars: what was wanted, what was found, and what the last committed run found."""
    table = [["", "bar", "found", "spread", "before", ""]]
    for one in verdicts:
        metric = METRICS[one.metric]
        then = before.get((one.row, one.metric, one.of, one.bar))
        table.append(
            [
                f"{results.titles[one.row]} [{metric.unit}]",
                one.bar,
                f"{one.found.median:.3f}",
                f"{one.found.least:.2f}–{one.found.most:.2f}",
                f"{then.median:.3f}" if then else "–",
                "held" if one.held else "MISSED",
            ]
        )
    return "\n".join(_columns(table))
