"""Deployments through the whole stack: the worker image, its wrangler, the proxy's blind tunnel, and Cloudflare's API played."""

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compose import REPOSITORY, Project
from tests.e2e.stack import RUNTIME_NEWEST, WORLD, Stack, declare_stack, new_password

pytestmark = pytest.mark.timeout(900)

ACCOUNT, NAMESPACE, DATABASE = "a" * 32, "b" * 32, "cccccccc-cccc-4ccc-8ccc-cccccccccccc"
PLACEHOLDERS = {"0" * 32: NAMESPACE, "00000000-0000-0000-0000-000000000000": DATABASE, "your-project-id": "p1"}


@pytest.fixture(scope="module")
def stack(declare_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The project's own Workers, with ids where their configuration has placeholders."""
    scratch = tmp_path_factory.mktemp("deploy")
    for worker in ("hello", "discord-bot", "platform-api"):
        text = (REPOSITORY / "workers" / worker / "wrangler.jsonc").read_text()
        for placeholder, real in PLACEHOLDERS.items():
            text = text.replace(placeholder, real)
        (scratch / f"{worker}.jsonc").write_text(text)
    files = (*WORLD, "tests/e2e/deploy.compose.yml")
    env = {**RUNTIME_NEWEST, "E2E_CONFIGURATION": str(scratch)}
    stack = declare_stack(declare_project, scratch, "deploy", 107, env, files)
    stack.project.up("internet", "proxy")
    return stack


@pytest.fixture
def token(stack: Stack) -> str:
    """A valid token, and an account in which nothing is deployed."""
    token = new_password()
    stack.internet.play_cloudflare(token=token, account=ACCOUNT, namespaces=[NAMESPACE], databases=[DATABASE])
    return token


def deploy(stack: Stack, worker: str, token: str, *arguments: str, secrets: str = "") -> subprocess.CompletedProcess[str]:
    """Deploy as `make deploy` does once its checks have passed."""
    variables = ("--env", f"CLOUDFLARE_API_TOKEN={token}", "--env", f"CLOUDFLARE_ACCOUNT_ID={ACCOUNT}")
    given = ("--secrets-stdin",) if secrets else ()
    run = ("run", "--rm", "--no-TTY", "--no-deps", *variables, worker, "deploy", *given, *arguments)
    return stack.project.compose(*run, check=False, given=secrets)


def test_both_workers_arrive_through_a_blind_tunnel(stack: Stack, token: str) -> None:
    """Packages as pywrangler syncs them, the kit, bindings and crons; the proxy saw a host name and nothing more."""
    for worker, secrets in {"discord-bot": "DISCORD_PUBLIC_KEY=0f\nAPI_KEY=a\n", "platform-api": "API_KEY=b\n"}.items():
        done = deploy(stack, worker, token, secrets=secrets)
        assert done.returncode == 0, done.stdout + done.stderr
        assert token not in done.stdout + done.stderr
    deployed = stack.internet.deployed()
    bindings = {"discord-bot": {"KV", "DB", "AI", "API_KEY"}, "platform-api": {"KV", "DB", "AI", "API_KEY", "DISCORD_BOT"}}
    crons = {"discord-bot": ["0 14 * * *", "0 14 * * MON"], "platform-api": ["*/5 * * * *"]}
    for worker, script in deployed.items():
        (upload,) = script["uploads"]
        modules = upload["modules"]
        sources = REPOSITORY / "workers" / worker / "src"
        own = {file.relative_to(sources).as_posix(): file for file in sources.rglob("*.py")}
        kit = REPOSITORY / "workers/kit/src/worker_kit"
        vendored = {f"python_modules/worker_kit/{file.relative_to(kit).as_posix()}": file for file in kit.rglob("*.py")}
        expected = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in (own | vendored).items()}
        assert expected.items() <= modules.items()
        assert {"python_modules/fastapi/__init__.py", "python_modules/workers/__init__.py"} <= set(modules)
        assert any(name.startswith("python_modules/pydantic_core/") and name.endswith(".so") for name in modules)
        assert bindings[worker] <= {binding["name"] for binding in upload["metadata"]["bindings"]}
        assert upload["metadata"]["compatibility_flags"] == ["python_workers"]
        assert script["crons"] == crons[worker]
    assert deployed.keys() == bindings.keys()
    lines = [line for line in stack.journal() if "api.cloudflare.com" in json.dumps(line)]
    assert lines
    assert {line["event"] for line in lines} == {"tunnel"}
    assert token not in stack.project.logs()


def test_a_dry_run_of_a_synced_worker_needs_neither_token_nor_network(stack: Stack) -> None:
    """Nobody is connected to, and what would go is printed."""
    stack.project.compose("run", "--rm", "--no-deps", "discord-bot", "sync")
    before = stack.stats()["upstream_connections"]
    dry = stack.project.compose("run", "--rm", "--no-deps", "discord-bot", "deploy", "--dry-run")
    assert stack.stats()["upstream_connections"] == before
    assert "discord-bot, as it goes to Cloudflare" in dry.stdout
    assert "fastapi" in dry.stdout
    assert "dry run: nothing was uploaded" in dry.stderr


def test_an_expired_token_gives_one_clear_sentence(stack: Stack, token: str) -> None:
    """The last line says what to do, and nothing was uploaded."""
    expired = new_password()
    done = deploy(stack, "hello", expired)
    assert done.returncode == 1
    assert "CLOUDFLARE_API_TOKEN" in (last := done.stderr.strip().splitlines()[-1])
    assert "expired" in last
    assert expired not in done.stdout + done.stderr
    assert stack.internet.deployed() == {}


def test_a_proxy_that_lets_nobody_out_is_named(stack: Stack, token: str, tmp_path: Path) -> None:
    """Where the policy does not name Cloudflare's API, the sentence leads to the proxy's log, which says so."""
    done = stack.project.compose(
        *("run", "--rm", "--no-TTY", "--no-deps", "--env", f"CLOUDFLARE_API_TOKEN={token}"),
        *("--env", "CLOUDFLARE_API_BASE_URL=https://api.not-listed.example/client/v4", "hello", "deploy"),
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "was not reached" in last
    assert "docker compose logs proxy" in last
    assert "api.not-listed.example" in stack.project.logs("proxy")


def test_make_deploy_checks_a_worker_and_uploads_it(stack: Stack, token: str) -> None:
    """The host's own command, from lint to the upload; without a token it stops before the first container."""
    project = {
        "COMPOSE_PROJECT_NAME": stack.project.name,
        "COMPOSE_FILE": ":".join(str(REPOSITORY / file) for file in stack.project.files),
        "CLOUDFLARE_ACCOUNT_ID": ACCOUNT,
    }

    def make_deploy(token: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **stack.project.env, **project, "CLOUDFLARE_API_TOKEN": token}
        command = [str(REPOSITORY / "docker/tasks/deploy"), "hello"]
        return subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=600
        )

    refused = make_deploy("")
    assert refused.returncode == 2
    assert "CLOUDFLARE_API_TOKEN is not set" in refused.stderr
    done = make_deploy(token)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "hello is deployed" in done.stderr
    assert token not in done.stdout + done.stderr
    (upload,) = stack.internet.deployed()["hello"]["uploads"]
    assert "entry.py" in upload["modules"]
