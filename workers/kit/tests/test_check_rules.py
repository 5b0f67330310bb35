"""Each rule reports the marked lines of its bad examples and nothing in its good ones."""

import ast
import re
from pathlib import Path

import pytest
from worker_kit.check import check_source
from worker_kit.check.rule import Rule
from worker_kit.check.rules import RULES

EXAMPLES = Path(__file__).parent / "check_examples"
BAD = [pytest.param(rule, text, id=f"{rule.code}-{number}") for rule in RULES for number, text in enumerate(rule.bad)]
GOOD = [pytest.param(rule, text, id=f"{rule.code}-{number}") for rule in RULES for number, text in enumerate(rule.good)]


def lines_of(code: str, source: str) -> list[int]:
    return [finding.line for finding in check_source(source) if finding.code == code]


@pytest.mark.parametrize(("rule", "source"), BAD)
def test_a_bad_example_is_reported_on_its_marked_lines_only(rule: Rule, source: str) -> None:
    marked = [number for number, line in enumerate(source.splitlines(), 1) if line.endswith("# bad")]
    assert marked, "the example marks no line"
    assert lines_of(rule.code, source) == marked


@pytest.mark.parametrize(("rule", "source"), GOOD)
def test_a_good_example_is_left_alone(rule: Rule, source: str) -> None:
    ast.parse(source)
    assert lines_of(rule.code, source) == []


def test_codes_are_unique_and_ordered_without_a_gap() -> None:
    assert [rule.code for rule in RULES] == [f"WK{number}" for number in range(101, 101 + len(RULES))]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_rule_has_one_sentence_a_mend_and_examples_of_both_kinds(rule: Rule) -> None:
    assert rule.sentence
    assert rule.mend
    assert not rule.sentence.endswith(".")
    assert "\n" not in rule.sentence + rule.mend
    assert rule.bad
    assert rule.good


def test_a_worker_with_every_trap_is_reported_line_by_line() -> None:
    source = (EXAMPLES / "trapped_worker.txt").read_text()
    expected = [
        (number, code)
        for number, line in enumerate(source.splitlines(), 1)
        for code in re.findall(r"WK\d+", line.partition("  # ")[2])
    ]
    assert [(finding.line, finding.code) for finding in check_source(source, "app.py")] == expected
    assert {code for _, code in expected} == {rule.code for rule in RULES}


def test_a_worker_on_the_kit_passes_without_one_finding() -> None:
    source = (EXAMPLES / "clean_worker.txt").read_text()
    assert [str(finding) for finding in check_source(source, "app.py")] == []
