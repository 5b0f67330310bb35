"""The Workers discord-bot and platform-api of compose.yml, on the newest toolchain, up to the bundle that tests cannot have."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.compose import REPOSITORY, Project
from tests.e2e.stack import RUNTIME_NEWEST, STACK_NEWEST, Stack, declare_stack, new_password

pytestmark = pytest.mark.timeout(900)
WORKERS = ("discord-bot", "platform-api")
KIT = REPOSITORY / "workers" / "kit"
# Digests of what a Worker was given of the kit, for the runtime and for CPython, and the files of pydantic's compiled part.
INSTALLED = """
import hashlib, json, pathlib
def digests(root):
    files = sorted(file for file in root.rglob("*.py"))
    return {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
modules, host = pathlib.Path("/worker/python_modules"), next(pathlib.Path("/worker/.venv-workers/lib").glob("python3*/site-packages"))
print(json.dumps({
    "runtime": digests(modules / "worker_kit"),
    "cpython": digests(host / "worker_kit"),
    "compiled": [file.name for file in modules.glob("pydantic_core/*.so")],
    "modules": sorted(file.name for file in modules.iterdir()),
}))
"""


@pytest.fixture(scope="module")
def stack(declare_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The proxy and the world outside; the kit is a copy that a test may change."""
    scratch = tmp_path_factory.mktemp("workers")
    kit = shutil.copytree(KIT, scratch / "kit", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    stack = declare_stack(declare_project, scratch, "workers", 106, RUNTIME_NEWEST | {"E2E_KIT": str(kit)}, STACK_NEWEST)
    stack.project.up("internet")
    stack.project.up("proxy", "gateway")
    return stack


@pytest.fixture(scope="module")
def synced(stack: Stack) -> Stack:
    """The stack after both Workers were synced."""
    for worker in WORKERS:
        run(stack, worker, "sync")
    return stack


def run(stack: Stack, worker: str, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the entrypoint in a Worker's container; variables go by name, as make passes them on."""
    names = [word for name in env for word in ("--env", name)]
    return stack.project.with_env(**env).compose("run", "--rm", "--no-deps", *names, worker, *command)


def sources(package: Path) -> set[str]:
    """List a package's Python files."""
    return {str(file.relative_to(package)) for file in package.rglob("*.py")}


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_gets_its_packages_and_the_kit_as_it_lies_in_the_repository(synced: Stack, worker: str) -> None:
    """pywrangler sync ends with wheels for Pyodide, the kit built from the folder beside the Worker, and the same for CPython."""
    found = json.loads(run(synced, worker, "python3", "-c", INSTALLED).stdout)
    assert {"fastapi", "pydantic", "httpx", "workers"} <= set(found["modules"])
    assert [name for name in found["compiled"] if "wasm32" in name], found["compiled"]
    assert set(found["runtime"]) == sources(KIT / "src" / "worker_kit")
    assert found["runtime"] == found["cpython"]


def test_a_second_sync_asks_nobody(synced: Stack) -> None:
    """Nothing changed: not one connection more reaches the proxy's upstream, and pywrangler is not even started."""
    before = synced.stats()["upstream_connections"]
    assert "pywrangler sync" not in "".join(run(synced, worker, "sync").stderr for worker in WORKERS)
    assert synced.stats()["upstream_connections"] == before


def test_a_changed_kit_is_synced_again_also_without_a_network(synced: Stack, tmp_path: Path) -> None:
    """A saved source of the kit is built and vendored at the next start, from the store alone; a fresh copy of the same is not."""
    kit = Path(shutil.copytree(KIT, tmp_path / "kit", ignore=shutil.ignore_patterns("__pycache__", ".*")))
    offline = replace(synced, project=synced.project.with_env(E2E_KIT=str(kit), DRYDOCK_MODE="offline"))
    offline.project.up("proxy")
    assert "pywrangler sync" not in run(offline, "discord-bot", "sync").stderr
    cookies = kit / "src" / "worker_kit" / "cookies.py"
    cookies.write_text(cookies.read_text() + "\nCHANGED = True\n")
    assert "pywrangler sync" in run(offline, "discord-bot", "sync").stderr
    script = "import pathlib; print(pathlib.Path('/worker/python_modules/worker_kit/cookies.py').read_text())"
    assert "CHANGED = True" in run(offline, "discord-bot", "python3", "-c", script).stdout
    ask = "import worker_kit.cookies; print(worker_kit.cookies.CHANGED)"
    assert run(offline, "discord-bot", "script", "-c", ask).stdout.strip() == "True"
    assert offline.stats()["upstream_connections"] == 0
    synced.project.up("proxy")


def migrate(stack: Stack, worker: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Call what `make migrate` calls, on this stack."""
    project = {"COMPOSE_PROJECT_NAME": stack.project.name, "COMPOSE_FILE": ":".join(map(str, stack.project.files))}
    environment = {**os.environ, **stack.project.env, **project, **env}
    command = ["docker/tasks/migrate", worker]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=300)


def test_migrations_are_applied_in_the_container_without_a_network(stack: Stack) -> None:
    """`make migrate` makes the tables of every migration file in the work volume, and needs no name and no address outside."""
    before = stack.stats()
    done = migrate(stack, "platform-api")
    assert done.returncode == 0, done.stderr
    names = sorted(file.name for file in (REPOSITORY / "workers/platform-api/migrations").glob("*.sql"))
    assert [row["name"] for row in rows(stack, "platform-api", "SELECT name FROM d1_migrations ORDER BY id")] == names
    tables = {row["name"] for row in rows(stack, "platform-api", "SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {"submissions", "audit", "rate_limits"} <= tables
    after = stack.stats()
    assert [after[name] for name in ("upstream_connections", "names_refused")] == [
        before[name] for name in ("upstream_connections", "names_refused")
    ]


def test_remote_migrations_go_to_cloudflare_through_a_blind_tunnel(stack: Stack) -> None:
    """With REMOTE=1 wrangler asks the API about that database; there the token is unknown, and that fails the command."""
    token, account = new_password(), "0" * 32
    done = migrate(stack, "platform-api", REMOTE="1", CLOUDFLARE_API_TOKEN=token, CLOUDFLARE_ACCOUNT_ID=account)
    assert done.returncode == 1
    assert "make migrate: stopped at platform-api" in done.stderr
    asked = [request["path"] for request in stack.internet.log()["requests"] if request["host"] == "api.cloudflare.com"]
    assert any(f"/accounts/{account}/d1/database/" in path for path in asked), asked
    lines = [line for line in stack.journal() if "api.cloudflare.com" in json.dumps(line)]
    assert {line["event"] for line in lines} == {"tunnel"}
    assert token not in stack.project.logs() + done.stdout + done.stderr


def rows(stack: Stack, worker: str, sql: str) -> list[dict[str, Any]]:
    """Read from a Worker's local database with wrangler."""
    text = run(stack, worker, "wrangler", "d1", "execute", "DB", "--local", "--json", "--command", sql).stdout
    found: list[dict[str, Any]] = json.loads(text[text.index("[\n") :])[0]["results"]
    return found


def test_what_make_lock_plans_are_the_packages_that_pywrangler_chose(synced: Stack) -> None:
    """The pylock.toml of each synced Worker is read from its volume, wheel by wheel with digests; who was never synced is noted."""
    project = {"COMPOSE_PROJECT_NAME": synced.project.name, "COMPOSE_FILE": ":".join(map(str, synced.project.files))}
    done = subprocess.run(
        ["docker/tasks/plan", *WORKERS, "hello-starlette"],
        cwd=REPOSITORY, env={**os.environ, **synced.project.env, **project},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = synced.project.compose("run", "--rm", "--no-deps", "--entrypoint", "cat", "plan", "/plan/plan.json").stdout
    plan = json.loads(text)
    for worker in WORKERS:
        wheels = [asset for asset in plan["assets"] if asset["kind"] == "wheel" and worker in asset["worker"].split(", ")]
        assert {"fastapi", "pydantic"} <= {asset["reason"].split()[1] for asset in wheels}
        assert all(asset["digest"] for asset in wheels)
    assert plan["unresolved"] == ["hello-starlette"]


def test_the_plan_names_the_bundle_for_each_worker_and_the_runtime_asks_for_it(synced: Stack) -> None:
    """What `plan` finds for a Worker is what its workerd asks the proxy for; its tables are made before that."""
    synced.project.compose("run", "--rm", "--no-deps", "plan")
    text = synced.project.compose("run", "--rm", "--no-deps", "--entrypoint", "cat", "plan", "/plan/plan.json").stdout
    (bundle,) = [asset for asset in json.loads(text)["assets"] if asset["kind"] == "bundle"]
    assert set(WORKERS) <= set(bundle["worker"].split(", "))
    # Wrong bytes, so that the digest which the runtime insists on is seen to matter.
    synced.internet.put(bundle["url"].removeprefix("https://"), b"not a bundle")
    name = f"{synced.project.name}-bot"
    synced.project.compose("run", "--detach", "--no-deps", "--name", name, "discord-bot")
    synced.wait_for_journal(lambda line: line.get("event") == "request" and line["url"] == bundle["url"])
    log = subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=True).stderr
    assert "D1 migrations: done" in log
    subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=True)
    assert rows(synced, "discord-bot", "SELECT count(*) AS number FROM deliveries") == [{"number": 0}]


def test_a_dry_run_of_deploy_bundles_every_module_of_worker_and_kit(synced: Stack) -> None:
    """Without token and network, wrangler takes in each source file of the Worker and each of the vendored kit."""
    before = synced.stats()["upstream_connections"]
    done = run(synced, "platform-api", "deploy", "--dry-run", "--outdir", "/tmp/bundle")
    printed = done.stdout + done.stderr
    own = len(sources(REPOSITORY / "workers/platform-api/src"))
    assert re.search(rf"\b{own}\b", printed), printed
    assert re.search(r"worker_kit 0\.1\.0 +\d+", printed), printed
    assert synced.stats()["upstream_connections"] == before


def test_commands_are_registered_through_the_tunnel_and_the_token_stays_unseen(synced: Stack) -> None:
    """DRY_RUN prints what then reaches Discord's API; the proxy saw a name, and no log and no process list holds the token."""
    printed = run(synced, "discord-bot", "script", "scripts/register_commands.py", DRY_RUN="1").stdout
    assert {command["name"] for command in json.loads(printed)} == {"ping", "events", "ask", "status"}
    place = "discord.com/api/v10/applications/123/guilds/456/commands"
    synced.internet.put(place, printed.encode())
    token = new_password()
    variables = {"DISCORD_APP_ID": "123", "DISCORD_GUILD_ID": "456", "DISCORD_BOT_TOKEN": token}
    done = run(synced, "discord-bot", "script", "scripts/register_commands.py", **variables)
    assert "registered /ask, /events, /ping, /status" in done.stdout
    assert synced.internet.count(place) == 1
    lines = [line for line in synced.journal() if "discord.com" in json.dumps(line)]
    assert {line["event"] for line in lines} == {"tunnel"}
    assert token not in synced.project.logs() + done.stderr + " ".join(done.args)
