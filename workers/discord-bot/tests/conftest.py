"""What the tests of discord-bot share: the Worker in each tier, CPython and real Pyodide, and the services it calls."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

WORKER = Path(__file__).parents[1]
sys.path[:0] = [str(WORKER / "src"), str(WORKER / "tests")]

from bot_bench import services as bench_services  # noqa: E402 - the path above comes first
from bot_bench.bench import Bench  # noqa: E402
from bot_bench.services import Services  # noqa: E402
from bot_bench.worker import application, kv, stand_in_env, variables  # noqa: E402


@pytest.fixture(scope="session")
def running_services() -> Iterator[Services]:
    running = bench_services.start()
    yield running
    for service in running.all():
        service.close()


@pytest.fixture
def services(running_services: Services) -> Iterator[Services]:
    for service in running_services.all():
        service.clear()
    yield running_services
    for service in running_services.all():
        service.clear()


@pytest.fixture(scope="session", params=["cpython", "pyodide"])
def client(request: pytest.FixtureRequest, running_services: Services) -> Iterator[Any]:
    discord, sanity, ai = (service.port for service in running_services.all())
    if request.param == "cpython":
        from fastapi.testclient import TestClient

        with TestClient(application(stand_in_env(discord, sanity, ai))) as session:
            yield session
        return
    import httpx2

    pyodide = request.getfixturevalue("pyodide")
    log = request.getfixturevalue("tmp_path_factory").mktemp("discord-bot") / "log"
    held = {f"KV/{key}": value for key, value in kv(discord).items()}
    with (
        pyodide.serve(WORKER, log=log, variables=variables(discord, sanity), kv=held, ai=f"http://127.0.0.1:{ai}") as served,
        httpx2.Client(base_url=served.url, timeout=30, trust_env=False) as session,
    ):
        yield session


@pytest.fixture
def bench(client: Any, services: Services) -> Bench:
    return Bench(client, services)
