"""No name leads the proxy inside, whatever it is said to mean from one look-up to the next: not one packet arrives there."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.compose import REPOSITORY
from tests.integration.rebinding import BODY, NAMES


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of the attacks."""
    if subprocess.run(["unshare", "--user", "--map-root-user", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody make user namespaces, inside which names are made to lie")
    command = [sys.executable, "-m", "tests.integration.rebinding", str(tmp_path_factory.mktemp("rebinding"))]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.fault("40", path="hit miss", ways="sni connect")
def test_not_one_packet_goes_inside(report: dict[str, Any]) -> None:
    """Neither at the first connection nor later, and what counts packets does count: a connection of the test's own is seen."""
    assert (report["packets"], report["connections"], report["crashed"]) == (0, 0, [])
    assert report["control"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.fault("40", path="miss")
def test_a_rebound_name_is_answered_from_outside_or_refused(report: dict[str, Any], way: str, name: str) -> None:
    """Each look-up is judged: while the name leads outside its bytes come, else the reason; both were seen."""
    seen = report["seen"][way][name]
    assert {status for status, _ in seen} == {200, 0 if name == "tunnel.example" else 502}
    for status, body in seen:
        assert body == BODY.decode() if status == 200 else not body or json.loads(body)["error"] == "forbidden-address"


@pytest.mark.fault("40", path="hit")
def test_what_is_stored_is_served_wherever_its_name_leads_now(report: dict[str, Any], way: str) -> None:
    """A file is a hit, a page that would have to be validated inside is served stale: right bytes, and not one packet."""
    files, pages = report["kept"][way]["assets.example"], report["kept"][way]["index.example"]
    assert {(status, body) for status, body, _ in (*files, *pages)} == {(200, BODY.decode())}
    assert {cache_status for *_, cache_status in files} == {"drydock; hit"}
    assert "drydock; fwd=stale; detail=forbidden-address" in {cache_status for *_, cache_status in pages}


@pytest.mark.fault("40", path="miss")
def test_no_redirect_leads_inside(report: dict[str, Any], way: str) -> None:
    """Addresses in every spelling, this machine's own names, and names that are rebound are refused after a redirect too."""
    answers = report["seen"][way]["redirect"]
    assert {status for status, _ in answers} <= {502, 504}
    told = [json.loads(body)["error"] for _, body in answers]
    assert set(told[:-1]) <= {"forbidden-address", "redirects", "name-not-found"}, told
