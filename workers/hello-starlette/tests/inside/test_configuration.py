"""The files beside the code say the same as the code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hello_starlette.settings import Settings
from worker_kit.settings import Kind

WORKER = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wrangler() -> dict[str, Any]:
    lines = (WORKER / "wrangler.jsonc").read_text().splitlines()
    return dict(json.loads("\n".join(line for line in lines if not line.lstrip().startswith("//"))))


def names(kind: Kind) -> set[str]:
    return {field.env for field in Settings.declared() if field.kind is kind}


def test_what_the_settings_declare_is_what_wrangler_binds(wrangler: dict[str, Any]) -> None:
    assert {entry["binding"] for entry in wrangler["d1_databases"]} == names(Kind.D1)
    assert set(wrangler["vars"]) == names(Kind.VAR)


def test_only_the_entry_imports_the_runtime() -> None:
    found = {
        file.name
        for file in (WORKER / "src").rglob("*.py")
        if re.search(r"^(?:from|import) (?:js|workers|pyodide)\b", file.read_text(), re.MULTILINE)
    }
    assert found == {"main.py"}
