"""`python -m tests.faults` prints, for each row and cell, which tests stand for it, or why none is needed."""

from tests.faults.marks import marked
from tests.faults.rows import CELLS, ROWS, Cell


def main() -> None:
    """Print the matrix."""
    found = marked()
    for name, row in ROWS.items():
        print(f"{name}  {row.fault}")
        for cell in (Cell(),) if row.alone else CELLS:
            tests = sorted({one.test for one in found if (one.row, one.cell) == (name, cell)})
            why = row.reason(cell) or row.alone
            print(f"    {cell!s:16} {', '.join(tests) or ('does not apply: ' + why if why else 'NO TEST')}")


if __name__ == "__main__":
    main()
