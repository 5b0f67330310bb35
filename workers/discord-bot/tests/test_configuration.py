"""The files beside the code say the same as the code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from discord_bot.interactions.incoming import FormSent
from discord_bot.jobs.schedule import JOBS
from discord_bot.services.discord import Webhook
from discord_bot.settings import Settings
from pydantic import SecretStr
from worker_kit.settings import Kind

WORKER = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wrangler() -> dict[str, Any]:
    lines = (WORKER / "wrangler.jsonc").read_text().splitlines()
    return dict(json.loads("\n".join(line for line in lines if not line.lstrip().startswith("//"))))


def names(*kinds: Kind) -> set[str]:
    return {field.env for field in Settings.declared() if field.kind in kinds}


def test_every_cron_has_a_job_and_every_job_a_cron(wrangler: dict[str, Any]) -> None:
    assert set(wrangler["triggers"]["crons"]) == set(JOBS)


def test_every_binding_is_declared(wrangler: dict[str, Any]) -> None:
    bound = {entry["binding"] for section in ("kv_namespaces", "d1_databases") for entry in wrangler[section]}
    assert bound | {wrangler["ai"]["binding"]} == names(Kind.KV, Kind.D1, Kind.AI)


def test_every_variable_is_one_and_no_secret_is_among_them(wrangler: dict[str, Any]) -> None:
    assert set(wrangler["vars"]) <= names(Kind.VAR)


def test_the_example_names_every_secret() -> None:
    found = re.findall(r"^([A-Z_]+)=", (WORKER / ".dev.vars.example").read_text(), re.MULTILINE)
    assert set(found) == names(Kind.SECRET)


def test_only_the_entry_and_webcrypto_import_the_runtime() -> None:
    found = {
        file.name
        for file in (WORKER / "src").rglob("*.py")
        if re.search(r"^\s*(?:from|import) (?:js|workers|pyodide)\b", file.read_text(), re.MULTILINE)
    }
    assert found == {"main.py", "webcrypto.py"}


def test_nothing_that_is_logged_shows_a_token() -> None:
    form = FormSent(type=5, application_id="1", token="the-token", data={"custom_id": "ask"})  # type: ignore[arg-type]
    settings = Settings(api_key=SecretStr("the-key"))
    assert "the-token" not in f"{form!r} {Webhook('1', 'the-token')!r}"
    assert "the-key" not in f"{settings!r} {settings}"
