"""GOTCHAS.md names rules and cases that exist, and leaves none out."""

import ast
import re
from pathlib import Path

import pytest
from worker_kit.check.rules import RULES

TEXT = (Path(__file__).parent.parent / "GOTCHAS.md").read_text()
CASES = Path(__file__).parent / "check_examples" / "gotcha_cases.py"
STATES = {"still true", "changed", "gone"}


def rows() -> dict[int, tuple[str, str]]:
    """Return number, state and rules of each line of the table of traps."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if re.match(r"\| \d", line)]
    return {int(number): (state, rules) for number, _, state, rules in cells}


def test_the_table_has_the_sixteen_items_each_with_a_state() -> None:
    assert list(rows()) == list(range(1, 17))
    assert {state for state, _ in rows().values()} <= STATES


@pytest.mark.parametrize("number", range(1, 17))
def test_an_items_section_repeats_its_state_and_names_its_case_and_rules(number: int) -> None:
    state, rules = rows()[number]
    found = re.search(rf"^## {number}\. .*?(?=^## )", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"no section {number}"
    section = found[0]
    assert section.splitlines()[0].endswith(f": {state}")
    assert f"case_item_{number}_" in section
    assert "- Kit: " in section
    assert set(re.findall(r"WK\d+", rules)) == set(re.findall(r"WK\d+", section))


def test_every_rule_is_in_the_document_and_no_other() -> None:
    assert set(re.findall(r"WK\d+", TEXT)) == {rule.code for rule in RULES}


def test_every_case_is_named_and_every_name_is_a_case_that_asserts() -> None:
    cases = {
        node.name: any(isinstance(inner, ast.Assert) for inner in ast.walk(node))
        for node in ast.parse(CASES.read_text()).body
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("case_")
    }
    assert set(re.findall(r"case_(?:item|template)_\w+", TEXT)) == set(cases)
    assert all(cases.values())
