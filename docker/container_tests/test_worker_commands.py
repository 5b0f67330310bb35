"""What the worker container's arguments mean."""

from pathlib import Path

import pytest
from worker_commands import Migrations, Plan, Preparation, plan
from worker_errors import WorkerError
from worker_project import Project

JAVASCRIPT = Project(Path("/worker"), python=False, dependencies=(), npm_lock=False)
PYTHON = Project(Path("/worker"), python=True, dependencies=(), npm_lock=False)
FASTAPI = Project(Path("/worker"), python=True, dependencies=("fastapi",), npm_lock=False)


@pytest.mark.parametrize("arguments", [(), ("dev",)])
def test_a_worker_is_served_on_all_addresses_and_its_port(arguments: tuple[str, ...]) -> None:
    decided = plan(arguments, {"PORT": "8786"}, PYTHON)
    assert decided.preparation is Preparation.INSTALL
    assert decided.command is not None
    assert decided.command[:6] == ("wrangler", "dev", "--ip", "0.0.0.0", "--port", "8786")  # noqa: S104 # in a container


@pytest.mark.parametrize(
    ("environment", "local"), [({}, True), ({"CLOUDFLARE_API_TOKEN": ""}, True), ({"CLOUDFLARE_API_TOKEN": "t"}, False)]
)
def test_without_an_account_no_binding_is_asked_for_at_cloudflare(environment: dict[str, str], local: bool) -> None:
    assert ("--local" in (plan(("dev",), environment, PYTHON).command or ())) is local


def test_more_arguments_of_dev_reach_wrangler() -> None:
    assert (plan(("dev", "--env", "old"), {}, PYTHON).command or ())[-2:] == ("--env", "old")


@pytest.mark.parametrize("port", ["", "0", "80x", "123456", "-1"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(WorkerError, match=f"PORT is not a port number: expected 1 to 65535, found '{port}'"):
        plan(("dev",), {"PORT": port}, PYTHON)


def test_sync_installs_and_ends() -> None:
    assert plan(("sync",), {}, PYTHON) == Plan(Preparation.INSTALL, None)


@pytest.mark.parametrize(("project", "program"), [(PYTHON, "pywrangler"), (JAVASCRIPT, "wrangler")])
def test_deploy_takes_the_tool_that_the_worker_needs(project: Project, program: str) -> None:
    decided = plan(("deploy",), {"CLOUDFLARE_API_TOKEN": "secret"}, project)
    assert decided == Plan(Preparation.INSTALL, ("worker-deploy", program))


def test_a_missing_token_is_said_before_anything_is_installed() -> None:
    with pytest.raises(WorkerError, match="CLOUDFLARE_API_TOKEN is not set"):
        plan(("deploy",), {"CLOUDFLARE_API_TOKEN": ""}, PYTHON)


def test_a_dry_run_needs_no_token() -> None:
    assert plan(("deploy", "--dry-run"), {}, PYTHON).command == ("worker-deploy", "pywrangler", "--dry-run")


def test_any_other_command_runs_as_it_is_without_a_worker() -> None:
    assert plan(("wrangler", "d1", "list"), {}, None) == Plan(Preparation.NOTHING, ("wrangler", "d1", "list"))


@pytest.mark.parametrize("word", ["dev", "sync", "migrate", "script", "deploy"])
def test_without_a_worker_the_place_for_it_is_named(word: str) -> None:
    with pytest.raises(WorkerError, match=f"`{word}` needs a Worker: expected its folder at /drydock/worker"):
        plan((word,), {"CLOUDFLARE_API_TOKEN": "secret"}, None)


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        ((), None),
        (("dev", "--env", "old"), "old"),
        (("dev", "--env=old"), "old"),
        (("dev", "-e", "old"), "old"),
        (("dev", "-e"), None),
    ],
)
def test_changed_migrations_of_the_served_environment_come_before_dev(
    arguments: tuple[str, ...], environment: str | None
) -> None:
    decided = plan(arguments, {}, PYTHON)
    assert (decided.migrations, decided.environment) == (Migrations.CHANGED, environment)


@pytest.mark.parametrize(("word", "project"), [("sync", PYTHON), ("deploy", PYTHON), ("script", FASTAPI), ("wrangler", PYTHON)])
def test_nothing_else_migrates_by_itself(word: str, project: Project) -> None:
    decided = plan((word, "--dry-run"), {"CLOUDFLARE_API_TOKEN": "secret"}, project)
    assert decided.migrations is Migrations.NONE


def test_migrate_needs_no_packages_and_ends() -> None:
    assert plan(("migrate",), {}, PYTHON) == Plan(Preparation.NOTHING, None, Migrations.LOCAL)


def test_remote_migrations_need_a_token_and_take_an_environment() -> None:
    with pytest.raises(WorkerError, match="CLOUDFLARE_API_TOKEN is not set: `migrate --remote`"):
        plan(("migrate", "--remote"), {}, PYTHON)
    decided = plan(("migrate", "--remote", "--env", "staging"), {"CLOUDFLARE_API_TOKEN": "secret"}, PYTHON)
    assert decided == Plan(Preparation.NOTHING, None, Migrations.REMOTE, "staging")


def test_a_script_runs_on_cpython_with_the_workers_packages() -> None:
    decided = plan(("script", "scripts/x.py", "-v"), {}, FASTAPI)
    assert decided == Plan(Preparation.INSTALL, (".venv-workers/bin/python", "scripts/x.py", "-v"))


@pytest.mark.parametrize(("project", "rest"), [(PYTHON, ("x.py",)), (JAVASCRIPT, ("x.py",)), (FASTAPI, ())])
def test_a_script_without_packages_or_file_is_refused(project: Project, rest: tuple[str, ...]) -> None:
    with pytest.raises(WorkerError, match="expected a file and dependencies there, found no"):
        plan(("script", *rest), {}, project)
