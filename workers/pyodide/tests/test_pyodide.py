"""The kit in real Pyodide with real KV and D1: the contract, what only the runtime shows, and a Worker over HTTP."""

import ast
from pathlib import Path
from typing import Any

import httpx
import pytest
from pyodide_harness.pyodide import Pyodide

KIT = Path(__file__).parents[2] / "kit"
SOURCES = {
    "kv_cases": KIT / "contract",
    "d1_cases": KIT / "contract",
    "runtime_cases": KIT / "contract",
    "gotcha_cases": KIT / "tests" / "check_examples",
}
BINDINGS = {"kv_cases", "d1_cases"}
"""What the stand-ins are held to as well."""


def cases_of(module: str) -> list[str]:
    """Name the cases of a module, which cannot be imported here."""
    nodes = ast.parse((SOURCES[module] / f"{module}.py").read_text()).body
    names = [node.name for node in nodes if isinstance(node, ast.AsyncFunctionDef)]
    return [f"{module}.{name}" for name in names if name.startswith("case_")]


@pytest.fixture(scope="module")
def results(pyodide: Pyodide, peer_url: str) -> dict[str, dict[str, Any]]:
    """Run every case of every module; return what came of each in each form, as `module.case[form]`."""
    lines = pyodide.cases(list(SOURCES), sorted(set(SOURCES.values())), URL=peer_url)
    return {line["case"]: line for line in lines}


@pytest.mark.parametrize("case", [case for module in SOURCES for case in cases_of(module)])
def test_the_real_runtime_keeps(results: dict[str, dict[str, Any]], case: str) -> None:
    """A case of the contract, of the runtime or of a trap passes with real KV and D1, bare and within the SDK's wrapper."""
    found = {name.removeprefix(case): line for name, line in results.items() if name.startswith(f"{case}[")}
    assert found
    assert [line for line in found.values() if not line["ok"]] == []
    if case.partition(".")[0] in BINDINGS:
        assert "[unwrapped]" in found


def test_most_of_the_contract_is_kept_within_the_sdks_wrapper_too(results: dict[str, dict[str, Any]]) -> None:
    """A case runs once only where it asks for the bare binding."""
    wrapped = {name.removesuffix("[sdk]") for name in results if name.endswith("[sdk]")}
    bare = {name.removesuffix("[unwrapped]") for name in results if name.endswith("[unwrapped]")}
    once = {case for module in BINDINGS for case in cases_of(module)} - wrapped
    assert wrapped <= bare
    assert all("unwrapped_db" in source_of(case) for case in once)


def source_of(case: str) -> str:
    """Return the first line of a case."""
    module, _, name = case.partition(".")
    text = (SOURCES[module] / f"{module}.py").read_text()
    return next(line for line in text.splitlines() if line.startswith(f"async def {name}("))


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
