"""Every fault has a test by each path and way in, or a reason why none is needed."""

import pytest

from tests.faults.marks import ROOT, MarkError, cells, gaps, marked
from tests.faults.rows import ROWS

pytest_plugins = ("pytester",)


def test_every_cell_of_every_row_has_a_test() -> None:
    """Hit and miss, :443 and CONNECT: a cell without a test has a reason in its row."""
    assert gaps(marked()) == []


def test_the_reasons_are_for_cells_that_exist() -> None:
    """A mistyped exemption would exempt nothing, unseen."""
    known = {"hit", "miss", "sni", "connect", "hit sni", "hit connect", "miss sni", "miss connect"}
    assert {name for row in ROWS.values() for name in row.exempt} <= known
    assert all(reason for row in ROWS.values() for reason in row.exempt.values())


def test_a_missing_test_is_a_gap() -> None:
    """The check can fail: without one row's marks, that row's cells are named."""
    without = [one for one in marked() if one.row != "F16"]
    assert gaps(without) == [f"F16 (20 cold concurrent): {cell}" for cell in ROWS["F16"].cells()]


@pytest.mark.parametrize(
    ("row", "path", "ways"), [("F99", "hit", "sni"), ("F16", "", ""), ("F19", "miss", "sni"), ("F16", "hit", "by")]
)
def test_a_mark_that_cannot_be_meant_is_refused(row: str, path: str, ways: str) -> None:
    """Unknown rows, ways that are not said, and cells that are exempt."""
    with pytest.raises(MarkError):
        cells(row, path, ways)


def test_the_report_counts_what_passed_and_names_what_did_not(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row counts when each of its cells ran and none failed; a skipped test makes no cell."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeini("[pytest]\nmarkers = fault: x\n")
    pytester.makepyfile(
        """
        import pytest
        pytest_plugins = ["tests.faults.report"]

        @pytest.mark.fault("F16", path="hit miss")
        @pytest.mark.parametrize("way", ["sni", "connect"])
        def test_whole(way): pass

        @pytest.mark.fault("F15", path="hit", ways="sni connect")
        def test_half(): pass

        @pytest.mark.fault("F14", path="hit miss", ways="sni connect")
        @pytest.mark.parametrize("number", [1, 2])
        def test_failing(number): assert number == 1

        @pytest.mark.fault("F17", path="hit miss", ways="sni connect")
        def test_skipped(): pytest.skip("no")
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(
        [
            f"1 of {len(ROWS)} rows passed in every cell; 4 rows ran",
            "  hit :443 * 2 of *",
            "  miss :443 * 1 of *",
            "  failed: F14",
            "  skipped: F17",
        ]
    )
