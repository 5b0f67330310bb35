"""Reading from the sources which tests stand for which cells: by syntax, so that no selection of tests hides a gap."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.faults.rows import ALONE, ROWS, WAYS, Cell

ROOT = Path(__file__).parents[2]
PLACES = ("cache/tests", "proxy/tests", "docker/container_tests", "tests")


class MarkError(ValueError):
    """A mark cannot be meant; the text says where and why."""


class Marked(NamedTuple):
    """A test that is said to stand for a cell of a row."""

    row: str
    cell: Cell
    test: str  # as pytest takes it


def cells(row: str, path: str = ALONE, ways: str = ALONE) -> list[Cell]:
    """Return the cells that one mark names; raise MarkError when there are none such in its row."""
    if row not in ROWS:
        raise MarkError(f"there is no row {row}")
    named = [Cell(one, way) for one in path.split() for way in ways.split()] or [Cell()]
    wrong = [str(cell) for cell in named if cell not in list(ROWS[row].cells())]
    if wrong:
        raise MarkError(f"row {row} has no cell {', '.join(wrong)} that needs a test")
    return named


def marked() -> list[Marked]:
    """Return what all marks of the suite say; raise MarkError, naming the file and line, for one that cannot be meant."""
    return [found for place in PLACES for path in sorted((ROOT / place).rglob("test_*.py")) for found in _of_file(path)]


def _of_file(path: Path) -> Iterator[Marked]:
    text = path.read_text()
    if "mark.fault(" not in text:
        return
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        both = " ".join(WAYS) if any(argument.arg == "way" for argument in function.args.args) else ALONE
        for call in (one for decorator in function.decorator_list for one in ast.walk(decorator) if _is_mark(one)):
            assert isinstance(call, ast.Call)
            try:
                row, *more = (ast.literal_eval(argument) for argument in call.args)
                named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
                for cell in cells(row, *more, **{"ways": both, **named}):
                    yield Marked(row, cell, f"{path.relative_to(ROOT)}::{function.name}")
            except (ValueError, TypeError) as error:
                raise MarkError(f"{path.relative_to(ROOT)}:{call.lineno}: {error}") from error


def _is_mark(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault"


def gaps(found: list[Marked]) -> list[str]:
    """Return a line for each cell that needs a test and has none."""
    have = {(one.row, one.cell) for one in found}
    return [f"{name} ({row.fault}): {cell}" for name, row in ROWS.items() for cell in row.cells() if (name, cell) not in have]
