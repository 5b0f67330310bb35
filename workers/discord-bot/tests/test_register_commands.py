"""Registering the commands: what Discord gets, what DRY_RUN prints, and one clear sentence for each failure."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from bot_bench.server import CUT, HANG, HTML, LIST, NOT_GZIP, Answer, Service, as_json, busy

SCRIPT = Path(__file__).parents[1] / "scripts/register_commands.py"
TOKEN = "the bot's token"
NAMES = ["ask", "events", "ping", "status"]


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("register_commands", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def discord() -> Iterator[Service]:
    service = Service(lambda request: as_json([{"id": "1", "name": command["name"]} for command in request.json]))
    yield service
    service.close()


@pytest.fixture
def script(discord: Service, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.delenv("DRY_RUN", raising=False)
    monkeypatch.delenv("DISCORD_GUILD_ID", raising=False)
    for name, value in {"APP_ID": "42", "BOT_TOKEN": TOKEN, "API_URL": f"http://127.0.0.1:{discord.port}/api/v10/"}.items():
        monkeypatch.setenv(f"DISCORD_{name}", value)
    loaded = load()
    monkeypatch.setattr(loaded, "TIMEOUT", 1.0)
    return loaded


def test_all_commands_are_put_in_one_request(script: ModuleType, discord: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main() == 0
    (request,) = discord.received
    assert (request.method, request.path) == ("PUT", "/api/v10/applications/42/commands")
    assert request.headers["authorization"] == f"Bot {TOKEN}"
    assert sorted(command["name"] for command in request.json) == NAMES
    assert capsys.readouterr().out == "registered /ask, /events, /ping, /status\n"


def test_a_guild_gets_its_own(script: ModuleType, discord: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_GUILD_ID", "77")
    assert script.main() == 0
    assert discord.received[0].path == "/api/v10/applications/42/guilds/77/commands"


def test_options_carry_the_limits_that_the_handlers_check(script: ModuleType) -> None:
    options = {command["name"]: command["options"] for command in script.definitions()}
    assert [(o["name"], o["type"], o["required"], o["min_value"], o["max_value"]) for o in options["events"]] == [
        ("days", 4, False, 1, 90)
    ]
    assert [(o["name"], o["type"], o["min_length"], o["max_length"]) for o in options["ask"]] == [("question", 3, 3, 400)]
    assert options["ping"] == options["status"] == []


def test_every_definition_is_within_discords_rules(script: ModuleType) -> None:
    for command in script.definitions():
        texts = [command["description"], *(option["description"] for option in command["options"])]
        assert all(1 <= len(text) <= 100 for text in texts)
        assert command["name"].islower()


def test_a_dry_run_prints_what_would_go_and_needs_no_secret(discord: Service) -> None:
    """As a program of its own, with an environment that holds nothing of Discord."""
    environment = {"PATH": os.environ["PATH"], "DRY_RUN": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert sorted(command["name"] for command in json.loads(done.stdout)) == NAMES
    assert discord.received == []


def test_the_dry_run_ends_before_the_request(script: ModuleType, discord: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRY_RUN", "1")
    assert script.main() == 0
    assert discord.received == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DISCORD_APP_ID", "", "DISCORD_APP_ID is not set"),
        ("DISCORD_APP_ID", "../42", "DISCORD_APP_ID is not an id"),
        ("DISCORD_GUILD_ID", "here", "DISCORD_GUILD_ID is not an id"),
        ("DISCORD_BOT_TOKEN", "", "DISCORD_BOT_TOKEN is not set"),
        ("DISCORD_API_URL", "http://127.0.0.1:9", "gave no answer"),
    ],
)
def test_a_setting_that_is_wrong_is_named(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    assert script.main() == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (as_json({"message": "401: Unauthorized"}, 401), "DISCORD_BOT_TOKEN is wrong"),
        (as_json({"message": "Invalid Form Body"}, 400), "answered 400, expected 200; it says: "),
        (HTML, "something else than commands"),
        (LIST, "something else than commands"),
        (as_json([{"name": "ping"}]), "confirms the commands ['ping']"),
        (CUT, "gave no answer"),
        (NOT_GZIP, "gave no answer"),
        (Answer(302, headers={"location": "/"}), "answered 302"),
        (busy("900"), "answered 429"),
        (busy("0"), "answered 429"),
        (Answer(500, b"oops"), "answered 500, expected 200; it says: oops"),
        (HANG, "gave no answer"),
    ],
    ids=["401", "400", "html", "list", "too few", "cut", "not gzip", "302", "429", "429 at once", "500", "hang"],
)
def test_an_answer_that_is_no_confirmation_is_a_failure(
    script: ModuleType, discord: Service, capsys: pytest.CaptureFixture[str], answer: Answer, words: str
) -> None:
    discord.then(answer, answer, answer)
    assert script.main() == 1
    told = capsys.readouterr().err
    assert words in told
    assert TOKEN not in told
    assert told.count("\n") == 1


def test_a_discord_that_is_busy_once_is_asked_again(script: ModuleType, discord: Service) -> None:
    discord.then(busy("0.05"))
    assert script.main() == 0
    assert len(discord.received) == 2
