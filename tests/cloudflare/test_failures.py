"""Deployments that fail: each ends with one sentence that says what to do, and nothing is uploaded unless it says so."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.cloudflare.conftest import ACCOUNT, DATABASE, NAMESPACE, REPOSITORY, Deploy, Played

SECRETS = "DISCORD_PUBLIC_KEY=0f0f0f\nAPI_KEY=password\n"
OTHER_ACCOUNT = "d" * 32


def sentence(worker: Deploy, secrets: str | None = SECRETS) -> str:
    """Deploy, expect a failure, and return drydock's one sentence, which is the last line."""
    done = worker(secrets=secrets)
    print(done.stdout, done.stderr)
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    said = [line for line in lines if line.startswith("drydock: ")]
    assert said == lines[-1:], done.stderr
    assert "Traceback" not in done.stderr
    return said[0]


@pytest.mark.parametrize("secrets", [SECRETS, None], ids=["at the upload", "at the list of secrets"])
def test_an_expired_token(secrets: str | None, deploy: Callable[..., Deploy], played: Played) -> None:
    said = sentence(deploy("discord-bot", packages=False).with_env(CLOUDFLARE_API_TOKEN="expired-0123456789"), secrets)
    assert "CLOUDFLARE_API_TOKEN" in said
    assert "expired" in said
    assert "make a new one" in said
    assert "expired-0123456789" not in said
    assert played.cloudflare.scripts == {}


def test_a_token_without_permission_is_told_from_an_expired_one(deploy: Callable[..., Deploy], played: Played) -> None:
    played.cloudflare.powerless.add("reads-only-0123456789")
    said = sentence(deploy("discord-bot", packages=False).with_env(CLOUDFLARE_API_TOKEN="reads-only-0123456789"))
    assert "does not permit" in said
    assert "expired" not in said
    assert "permissions" in said
    assert played.cloudflare.scripts == {}


def test_several_accounts_and_none_is_given(deploy: Callable[..., Deploy], played: Played) -> None:
    played.cloudflare.accounts[OTHER_ACCOUNT] = "Theirs"
    said = sentence(deploy("discord-bot", packages=False).with_env(CLOUDFLARE_ACCOUNT_ID=""))
    assert f"export CLOUDFLARE_ACCOUNT_ID, one of {ACCOUNT} (Ours), {OTHER_ACCOUNT} (Theirs)" in said
    assert played.uploads() == []


def test_one_account_needs_no_id(deploy: Callable[..., Deploy], played: Played) -> None:
    done = deploy("discord-bot", packages=False).with_env(CLOUDFLARE_ACCOUNT_ID="")(secrets=SECRETS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "discord-bot" in played.cloudflare.scripts


def test_an_account_that_is_not_the_tokens(deploy: Callable[..., Deploy], played: Played) -> None:
    said = sentence(deploy("discord-bot", packages=False).with_env(CLOUDFLARE_ACCOUNT_ID=OTHER_ACCOUNT))
    assert "CLOUDFLARE_ACCOUNT_ID" in said
    assert played.cloudflare.scripts == {}


@pytest.mark.parametrize(
    ("known", "other", "what", "command"),
    [
        (NAMESPACE, "e" * 32, "KV namespace", "wrangler kv namespace list"),
        (DATABASE, "eeeeeeee-eeee-4eee-8eee-eeeeeeeeeeee", "D1 database", "wrangler d1 list"),
    ],
)
def test_a_resource_that_the_account_has_not(
    known: str, other: str, what: str, command: str, deploy: Callable[..., Deploy], played: Played
) -> None:
    said = sentence(deploy("discord-bot", packages=False).configure((known, other)))
    assert what in said
    assert command in said
    assert other in said
    assert played.cloudflare.scripts == {}


def test_a_binding_to_a_worker_that_is_not_deployed(deploy: Callable[..., Deploy], played: Played) -> None:
    said = sentence(deploy("platform-api", packages=False), "API_KEY=password\n")
    assert "'discord-bot' not found" in said
    assert "deploy that one first" in said
    assert played.cloudflare.scripts == {}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"<html><body>Internal Server Error</body></html>"),
        (502, b""),
        (500, b'{"success": false, "errors": [{"code": 10013, "message": "An unknown error has occurred."}], "messages": []}'),
        (200, b"<html>Sign in to the hotel's network</html>"),
    ],
    ids=["page", "empty", "json", "captive portal"],
)
def test_cloudflares_own_failure(status: int, body: bytes, deploy: Callable[..., Deploy], played: Played) -> None:
    played.cloudflare.fail("PUT", r".*/scripts/discord-bot", status, body)
    said = sentence(deploy("discord-bot", packages=False))
    assert "Cloudflare's API, or what answered in its place, failed during the upload of discord-bot" in said
    assert "again" in said
    assert played.cloudflare.scripts == {}


def test_crons_that_were_not_set_are_told_apart_from_code_that_is_live(deploy: Callable[..., Deploy], played: Played) -> None:
    played.cloudflare.fail("PUT", r".*/schedules", 500, b'{"success": false, "errors": [{"code": 10013, "message": "Down."}]}')
    said = sentence(deploy("discord-bot", packages=False))
    assert "the code of discord-bot is live, but its crons were not set" in said
    assert played.cloudflare.scripts["discord-bot"].live


def test_a_network_that_is_gone(deploy: Callable[..., Deploy], played: Played) -> None:
    worker = deploy("discord-bot", packages=False).with_env(CLOUDFLARE_API_BASE_URL="http://127.0.0.1:1/client/v4")
    assert "was not reached" in sentence(worker)
    assert "was not reached" in sentence(worker, None)


def test_a_name_that_does_not_resolve(deploy: Callable[..., Deploy]) -> None:
    said = sentence(
        deploy("discord-bot", packages=False).with_env(CLOUDFLARE_API_BASE_URL="http://api.nowhere.invalid/client/v4")
    )
    assert "was not reached" in said


def test_code_that_cloudflare_refuses_is_quoted(deploy: Callable[..., Deploy], played: Played) -> None:
    body = b'{"success": false, "errors": [{"code": 10021, "message": "ImportError: no module named x"}], "messages": []}'
    played.cloudflare.fail("PUT", r".*/scripts/discord-bot", 400, body)
    said = sentence(deploy("discord-bot", packages=False))
    assert re.search(r"ImportError: no module named x", said)


def test_an_interruption_is_said_in_a_sentence_too(deploy: Callable[..., Deploy], played: Played) -> None:
    """SIGINT to the whole group, as a terminal sends it, while Cloudflare is asked: no traceback, and the shell's status for it."""
    worker = deploy("discord-bot", packages=False)
    command = [sys.executable, str(REPOSITORY / "docker/worker/worker-deploy"), "pywrangler"]
    started = subprocess.Popen(
        command,
        cwd=worker.folder,
        env=worker.env,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert started.stdout is not None
    started.stdout.readline()  # the report: from now on it asks Cloudflare
    os.killpg(started.pid, signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert started.returncode == 130
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("drydock: interrupted")
    assert played.uploads() == []
