"""What the tests of discord-bot share: the Worker, in this process or behind BOT_URL, and the services it calls.

With BOT_URL set, tests/http runs unchanged against a Worker that was started elsewhere with what `python tests/bot_bench/worker.py`
prints, on the ports BOT_DISCORD_PORT, BOT_SANITY_PORT and BOT_AI_PORT, where the tests start the services.
"""

import os
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


@pytest.fixture(scope="session")
def client(running_services: Services) -> Iterator[Any]:
    address = os.environ.get("BOT_URL")
    if address:
        import httpx2

        with httpx2.Client(base_url=address, timeout=30, trust_env=False) as session:
            yield session
        return
    from bot_bench.worker import application, stand_in_env
    from fastapi.testclient import TestClient

    ports = [service.port for service in running_services.all()]
    with TestClient(application(stand_in_env(*ports))) as session:
        yield session


@pytest.fixture
def bench(client: Any, services: Services) -> Bench:
    return Bench(client, services)
