"""Draws a results file as PNG and SVG beside it; runs in a venv of its own, which has matplotlib and nothing of drydock."""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.axes import Axes

_STATIC = "nginx static"
_COLOURS = {
    "drydock": "#0072b2",
    _STATIC: "#555555",
    "nginx proxy_cache": "#aaaaaa",
    "squid ssl-bump": "#e69f00",
    "mitmproxy addon": "#cc79a7",
    "direct": "#009e73",
}
# The rows of the second picture: what they are measured in, which is better small.
_COSTS = (
    ("memory", "memory", "MB"),
    ("fairness", "p99", "ms, p99"),
    ("cold-first", "first_byte", "ms to the first byte"),
    ("cold-whole", "whole", "s"),
    ("crowd", "whole", "s"),
    ("new-tls", "cpu_connection", "CPU µs"),
    ("new-connect", "cpu_connection", "CPU µs"),
)

_ROUND = 100  # from here on, values have no decimals

type Readings = dict[str, dict[str, dict[str, list[float]]]]


def _ratios(readings: Readings, row: str, system: str) -> list[float]:
    """Return a system's speed as a multiple of nginx's in the same round."""
    key = "speed" if "speed" in readings[row][_STATIC] else "rate"
    pairs = zip(readings[row].get(system, {}).get(key, []), readings[row][_STATIC][key], strict=False)
    return [mine / static for mine, static in pairs]


def _around(values: list[float]) -> tuple[float, list[list[float]]]:
    """Return the median and how far the least and the most lie from it."""
    middle = statistics.median(values)
    return middle, [[middle - min(values)], [max(values) - middle]]


def _hits(document: dict[str, Any], path: Path) -> None:
    readings: Readings = document["readings"]
    rows = [row for row in readings if row.startswith("hit-") and _STATIC in readings[row]]
    if not rows:
        return
    figure, axes = pyplot.subplots(figsize=(11, 5), layout="constrained")
    systems = [name for name in _COLOURS if any(name in readings[row] for row in rows)]
    width = 0.8 / len(systems)
    for number, system in enumerate(systems):
        for place, row in enumerate(rows):
            if values := _ratios(readings, row, system):
                middle, error = _around(values)
                label = system if place == 0 else None
                at = place + (number - (len(systems) - 1) / 2) * width
                axes.bar(at, middle, width, yerr=error, color=_COLOURS[system], label=label, error_kw={"elinewidth": 0.8})
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks(range(len(rows)), [document["titles"][row].replace(" hit, ", "\n") for row in rows])
    axes.set_ylabel("speed, nginx static = 1")
    axes.set_title(f"Cache hits over TLS 1.3: median of the rounds, with the least and the most{_doubt(document)}")
    figure.legend(loc="outside lower center", ncols=len(systems))
    _save(figure, path, "hits")


def _cost(axes: Axes, document: dict[str, Any], row: str, metric: str, unit: str) -> None:
    readings: Readings = document["readings"]
    systems = [name for name in _COLOURS if readings[row].get(name, {}).get(metric)]
    for place, system in enumerate(reversed(systems)):
        middle, error = _around(readings[row][system][metric])
        bar = axes.barh(place, middle, xerr=error, color=_COLOURS[system], error_kw={"elinewidth": 0.8})
        axes.bar_label(bar, [f"{middle:,.3g}" if middle < _ROUND else f"{middle:,.0f}"], padding=4, fontsize="small")
    axes.set_yticks(range(len(systems)), reversed(systems))
    axes.margins(x=0.15)
    axes.set_title(document["titles"][row], fontsize="medium")
    axes.set_xlabel(unit)


def _costs(document: dict[str, Any], path: Path) -> None:
    shown = [cost for cost in _COSTS if cost[0] in document["readings"]]
    if not shown:
        return
    figure, grid = pyplot.subplots(
        -(-len(shown) // 2), 2, figsize=(11, 2.2 * -(-len(shown) // 2)), layout="constrained", squeeze=False
    )
    places = list(grid.flat)
    for axes, (row, metric, unit) in zip(places, shown, strict=False):
        _cost(axes, document, row, metric, unit)
    for axes in places[len(shown) :]:
        axes.set_axis_off()
    figure.suptitle(f"Less is better{_doubt(document)}")
    _save(figure, path, "costs")


def _doubt(document: dict[str, Any]) -> str:
    return "" if document["circumstances"]["quiet"] else " (measured on a busy machine)"


def _save(figure: Any, path: Path, name: str) -> None:
    for kind in ("png", "svg"):
        drawn = path.with_name(f"{path.stem}-{name}.{kind}")
        figure.savefig(drawn, dpi=110, metadata={"Date": None} if kind == "svg" else None)
    pyplot.close(figure)


def main() -> None:
    """Draw every results file in a folder."""
    parser = argparse.ArgumentParser(prog="python -m bench.plots", description=main.__doc__)
    parser.add_argument("folder", type=Path)
    mpl.use("Agg")
    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["svg.hashsalt"] = "drydock"
    for path in parser.parse_args().folder.glob("*.json"):
        document = json.loads(path.read_text())
        _hits(document, path)
        _costs(document, path)


if __name__ == "__main__":
    main()
