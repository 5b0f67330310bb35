"""The kit in real Pyodide with real KV and D1: the contract, what only the runtime shows, and a Worker over HTTP."""

from pathlib import Path

import httpx
from pyodide_harness.pyodide import Pyodide

KIT = Path(__file__).parents[2] / "kit"


def test_the_real_bindings_keep_the_contract(pyodide: Pyodide, peer_url: str) -> None:
    """Every case that the stand-ins pass is passed by real KV and D1, bare and within the SDK's wrapper; so are the runtime's own."""
    cases = pyodide.cases(["kv_cases", "d1_cases", "runtime_cases"], [KIT / "contract"], URL=peer_url)
    assert [case for case in cases if not case["ok"]] == []
    names = {case["case"] for case in cases}
    assert {"kv_cases.case_text_returns_as_it_was[sdk]", "d1_cases.case_none_is_null[unwrapped]"} <= names
    assert "runtime_cases.case_no_threads[plain]" in names


def test_the_traps_are_in_the_state_that_the_kit_says(pyodide: Pyodide) -> None:
    """Each case that GOTCHAS.md names passes on this runtime."""
    cases = pyodide.cases(["gotcha_cases"], [KIT / "tests" / "check_examples"])
    assert [case for case in cases if not case["ok"]] == []
    assert len(cases) >= 18


def test_health(worker: str) -> None:
    """Health probes real bindings and shows no secret; a request has an id and security headers."""
    answer = httpx.get(worker + "/health", timeout=60)
    assert answer.json()["status"] == "ok"
    assert answer.json()["checks"]["db"]["message"] == "query executed"
    assert "geheim" not in answer.text
    assert len(answer.headers["x-request-id"]) == 32
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_cookie_is_sent(worker: str) -> None:
    """All Set-Cookie headers reach the client, the critical one last."""
    answer = httpx.get(worker + "/cookies", timeout=60)
    assert [value.partition("=")[0] for value in answer.headers.get_list("set-cookie")] == ["a", "b", "token"]


def test_rows_after_migrations(worker: str) -> None:
    """Migrations were applied, with their trigger, and rows are JSON with null."""
    assert httpx.get(worker + "/notes", timeout=60).json() == [
        {"text": "a;b -- c", "log": "a;b -- c"},
        {"text": None, "log": "none"},
    ]


def test_bodies_streams_and_services(worker: str) -> None:
    """A long body arrives whole, a model's stream leaves whole, a service is called, and a sync route answers without a thread."""
    assert httpx.post(worker + "/length", content=b"\0" * 300_000, timeout=60).json() == 300_000
    assert httpx.get(worker + "/stream", timeout=60).text == "one é three"
    assert httpx.get(worker + "/peer", timeout=60).json() == b'{"a":1}'.hex()
    assert httpx.get(worker + "/sync", timeout=60).json() == {"sync": True}


def test_cron(worker: str) -> None:
    """The scheduled endpoint runs the entry's handler with its cron."""
    httpx.get(worker + "/cdn-cgi/handler/scheduled", params={"cron": "0 14 * * 1"}, timeout=60).raise_for_status()
    assert httpx.get(worker + "/cron", timeout=60).json() == "0 14 * * 1"


def test_faults_stay_inside(worker: str) -> None:
    """A crash is a 500 without its text, and a method of no name in Python is a 405; the Worker goes on."""
    crashed = httpx.get(worker + "/boom", timeout=60)
    assert (crashed.status_code, "geheim" in crashed.text) == (500, False)
    assert httpx.request("PROPFIND", worker + "/health", timeout=60).status_code == 405
    assert httpx.get(worker + "/sync", timeout=60).status_code == 200
