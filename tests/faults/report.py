"""Counts, at the end of a run of the suite, which rows of the faults were survived: a pytest plugin, also for pytest-xdist."""

from collections import defaultdict

import pytest

from tests.faults.marks import MarkError, cells
from tests.faults.rows import CELLS, ROWS, Cell

_PROPERTY = "fault"
_ORDER = ("failed", "skipped", "passed")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count."""
    config.pluginmanager.register(_Counter(), "fault-counter")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Write into each marked test's report which cells it stands for: with pytest-xdist, reports alone come back."""
    for item in items:
        for mark in item.iter_markers(_PROPERTY):
            callspec = getattr(item, "callspec", None)
            ways = {"ways": str(callspec.params["way"])} if callspec and "way" in callspec.params else {}
            try:
                for cell in cells(*mark.args, **{**ways, **mark.kwargs}):
                    item.user_properties.append((_PROPERTY, [mark.args[0], *cell]))
            except (MarkError, TypeError) as error:
                raise pytest.UsageError(f"{item.nodeid}: {error}") from error


class _Counter:
    def __init__(self) -> None:
        # row → cell → outcomes of the tests that stand for it
        self._seen: defaultdict[str, defaultdict[Cell, list[str]]] = defaultdict(lambda: defaultdict(list))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a test's outcome in; one that failed before or after its call failed."""
        if report.when != "call" and report.outcome == "passed":
            return
        for name, value in report.user_properties:
            if name == _PROPERTY:
                row, path, way = map(str, value if isinstance(value, list) else ())
                self._seen[row][Cell(path, way)].append(report.outcome)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say how many rows passed, and by which paths; name those that did not."""
        if not self._seen:
            return
        write = terminalreporter.write_line
        terminalreporter.section("faults")
        seen = {row: dict(cells) for row, cells in self._seen.items()}
        state = {row: _worst([one for outcomes in ran.values() for one in outcomes]) for row, ran in seen.items()}
        whole = [row for row in state if state[row] == "passed" and set(seen[row]) == set(ROWS[row].cells())]
        write(f"{len(whole)} of {len(ROWS)} rows passed in every cell; {len(state)} rows ran")
        for cell in (*CELLS, Cell()):
            wanted = [name for name, row in ROWS.items() if cell in list(row.cells())]
            passed = [row for row in wanted if _worst(seen[row].get(cell, []) if row in seen else []) == "passed"]
            write(f"  {cell!s:16} {len(passed)} of {len(wanted)}")
        for outcome in ("failed", "skipped"):
            if rows := sorted(row for row in state if state[row] == outcome):
                write(f"  {outcome}: {', '.join(rows)}")


def _worst(outcomes: list[str]) -> str:
    return min(outcomes, key=_ORDER.index, default="")
