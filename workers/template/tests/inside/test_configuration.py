"""The files beside the code say the same as the code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from worker_kit.settings import Kind

from template_worker.jobs import JOBS
from template_worker.settings import Settings

WORKER = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wrangler() -> dict[str, Any]:
    lines = (WORKER / "wrangler.jsonc").read_text().splitlines()
    return dict(json.loads("\n".join(line for line in lines if not line.lstrip().startswith("//"))))


def names(*kinds: Kind) -> set[str]:
    return {field.env for field in Settings.declared() if field.kind in kinds}


def test_every_cron_has_a_job_and_every_job_a_cron(wrangler: dict[str, Any]) -> None:
    assert set(wrangler["triggers"]["crons"]) == set(JOBS)


def test_every_binding_and_variable_is_declared(wrangler: dict[str, Any]) -> None:
    bound = {entry["binding"] for section in ("kv_namespaces", "d1_databases") for entry in wrangler[section]}
    assert bound == names(Kind.KV, Kind.D1)
    assert set(wrangler["vars"]) == names(Kind.VAR)


def test_the_example_names_every_secret() -> None:
    found = re.findall(r"^([A-Z_]+)=", (WORKER / ".dev.vars.example").read_text(), re.MULTILINE)
    assert set(found) == names(Kind.SECRET)


def test_only_the_entry_imports_the_runtime() -> None:
    found = {
        file.name
        for file in (WORKER / "src").rglob("*.py")
        if re.search(r"^\s*(?:from|import) (?:js|workers|pyodide)\b", file.read_text(), re.MULTILINE)
    }
    assert found == {"main.py"}
