"""What the documents name is there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_table_of_rfc_9111_names_tests_that_exist() -> None:
    """Every row names at least one test, and each is a function of the file it is said to be in."""
    table = (ROOT / "ARCHITECTURE.md").read_text().partition("## RFC 9111, section by section")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(test_\w+)::(test_\w+)`", row)
        assert named, row
        for module, function in named:
            tree = ast.parse((ROOT / "cache/tests" / f"{module}.py").read_text())
            assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}, (
                row
            )
