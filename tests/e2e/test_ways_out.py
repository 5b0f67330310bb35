"""A Worker's own ways out on the newest runtime: the policy's hosts, another Worker, a binding that leads nowhere; and its secrets."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.compose import REPOSITORY, Project
from tests.e2e.stack import RUNTIME_NEWEST, STACK_NEWEST, Stack, declare_stack, new_password

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def secret() -> str:
    return new_password()


@pytest.fixture(scope="module")
def stack(declare_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory, secret: str) -> Stack:
    """A JavaScript Worker with a .dev.vars, and one that answers where discord-bot does."""
    scratch = tmp_path_factory.mktemp("ways")
    worker = Path(shutil.copytree(REPOSITORY / "tests/e2e/workers/outside-js", scratch / "outside-js"))
    (worker / ".dev.vars").write_text(f'SECRET="{secret}"\nDISCORD_BOT_URL="http://localhost:1"\n')
    env = RUNTIME_NEWEST | {"E2E_OUTSIDE": str(worker)}
    stack = declare_stack(declare_project, scratch, "ways", 107, env, STACK_NEWEST)
    stack.project.up("internet")
    stack.project.up("outside-js", "answering", "gateway")
    return stack


def asked(stack: Stack, path: str) -> Any:
    """Ask the Worker and return its JSON."""
    status, body = stack.inside("outside-js", path)
    assert status == 200, body
    return json.loads(body)


@pytest.mark.parametrize("host", ["discord.com", "drydock.api.sanity.io"])
def test_a_worker_reaches_the_apis_that_the_policy_tunnels(stack: Stack, host: str) -> None:
    """drydock.toml names them as it is: the answer is the host's own, and the proxy saw its name alone."""
    answer = asked(stack, f"/fetch?url={quote(f'https://{host}/v1/x?y=1')}")
    assert answer["status"] == 200
    body = json.loads(answer["body"])
    assert (body["host"], body["path"]) == (host, "/v1/x?y=1")
    assert body["certificate_sha256"] == stack.internet.certificate(host)
    lines = [line for line in stack.journal() if host in json.dumps(line)]
    assert {(line["event"], line["outcome"]) for line in lines} == {("tunnel", "opened")}


@pytest.mark.parametrize("url", ["https://example.org/", "https://sanity.io/", "http://discord.com/", "https://203.0.113.9/"])
def test_a_worker_reaches_nothing_that_the_policy_does_not_name(stack: Stack, url: str) -> None:
    """Other names, the bare suffix of a pattern, plain HTTP and addresses: fetch throws, and nothing arrives outside."""
    before = stack.internet.connections()
    assert "error" in asked(stack, f"/fetch?url={quote(url)}")
    assert stack.internet.connections() == before


def test_a_service_binding_between_containers_leads_nowhere_and_says_so(stack: Stack) -> None:
    """What platform-api must not take for the bot's own answer: the binding is there, and answers 503 to all."""
    answer = asked(stack, "/binding")
    assert answer["status"] == 503
    assert 'Worker "discord-bot" not found' in answer["body"]


def test_another_worker_of_the_stack_is_reached_by_its_services_name(stack: Stack) -> None:
    """`--var` of the service's command wins over .dev.vars, and the name leads to the container, past the proxy."""
    before = stack.stats()
    answer = asked(stack, "/configured")
    assert answer["status"] == 200
    assert "Hello World" in answer["body"]
    assert stack.stats()["names_refused"] == before["names_refused"]


def test_the_gateway_publishes_the_bots_port(stack: Stack) -> None:
    """What answers as discord-bot inside is found at 127.0.0.1, on the port of that service."""
    status, body = stack.published(8787, "/hello")
    assert status == 200
    assert "Hello World" in body


def test_a_cron_runs_when_it_is_asked_for(stack: Stack) -> None:
    """wrangler's endpoint for crons needs no further option, and reaches the handler with the expression."""
    assert stack.inside("outside-js", "/cdn-cgi/handler/scheduled?cron=0+14+*+*+MON")[0] == 200
    assert stack.inside("outside-js", "/cron")[1] == "0 14 * * MON"


def test_secrets_for_development_reach_the_worker_and_are_kept_nowhere(stack: Stack, secret: str) -> None:
    """.dev.vars is read where it lies; no file of the work volume or of the container's own holds what is in it."""
    assert stack.inside("outside-js", "/secret-length") == (200, str(len(secret)))
    search = ["grep", "--recursive", "--files-with-matches", "--fixed-strings", secret, "/worker", "/tmp", "/run/drydock"]
    found = stack.project.exec("outside-js", *search, check=False)
    assert (found.returncode, found.stdout) == (1, "")
    assert secret not in stack.project.logs()
