"""In networks that are really broken, each in its own way, doctor names the fault and what mends it, in time and without a secret."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.compose import REPOSITORY
from tests.doctor.__main__ import PAGE, render
from tests.doctor.asking import Inside
from tests.doctor.inside import Outcome
from tests.doctor.scenarios import SCENARIOS, SECRETS

_SECONDS = 30.0
_NO_NAMESPACES = "this system lets nobody make user namespaces, inside which networks are broken"


@pytest.fixture(scope="module")
def inside(request: pytest.FixtureRequest) -> Iterator[Inside]:
    if subprocess.run(["unshare", "--user", "--map-root-user", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip(_NO_NAMESPACES)
    chosen = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    with Inside(name for name in SCENARIOS if name in chosen) as process:
        yield process


def findings(outcome: Outcome) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(outcome.report)["findings"]
    return found


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_fault_is_named_with_its_evidence_and_what_mends_it(inside: Inside, name: str) -> None:
    scenario = SCENARIOS[name]
    outcome = inside.run(name)
    assert outcome.report, outcome.said
    wanted = [one for one in findings(outcome) if one["check"] == scenario.check]
    assert [one["severity"] for one in wanted] == [scenario.severity], outcome.report
    assert all(one["evidence"] and one["mend"] for one in findings(outcome) if one["severity"] in ("warn", "fail"))
    assert scenario.evidence in wanted[0]["evidence"]
    assert scenario.mend in wanted[0]["mend"]
    assert outcome.status == int(scenario.severity != "ok")
    assert outcome.seconds < _SECONDS
    assert outcome.afterwards == scenario.afterwards
    for secret in SECRETS:
        assert secret not in outcome.report + outcome.said
    if scenario.severity == "ok":  # nothing is found where nothing is wrong
        assert {one["severity"] for one in findings(outcome)} == {"ok"}, outcome.report


def test_the_page_of_the_documentation_has_a_row_for_each_network() -> None:
    """docs/doctor.md is made by `python -m tests.doctor`; what it says of each network is what stands in the expectation here."""
    rows = [line for line in (REPOSITORY / PAGE).read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    for scenario in SCENARIOS.values():
        if scenario.severity != "ok":
            assert any(scenario.how in row and scenario.check in row for row in rows), scenario.how


def test_a_row_shows_the_finding_and_no_path_of_the_machine() -> None:
    report = {
        "findings": [
            {
                "check": "ways.refused",
                "severity": "fail",
                "what": "A | B.",
                "evidence": "/tmp/drydock-doctor-x/store",
                "mend": "do\nit",
            }
        ]
    }
    row = render(SCENARIOS["refused"], Outcome(1, json.dumps(report), "", 0.0))
    assert row == "| connections are refused | `ways.refused` A \\| B. (/…/store) | do it |"
