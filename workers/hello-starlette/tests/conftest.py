"""What the tests of hello-starlette share: a client, of the application in this process or of the Worker behind WORKER_URL.

With WORKER_URL set, tests/http runs unchanged against a Worker that was started elsewhere; tests/inside is left out.
"""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

WORKER = Path(__file__).parents[1]
for folder in (WORKER / "src", WORKER.parent / "kit" / "src"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

LIVE = os.environ.get("WORKER_URL", "")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, against a live server, what looks inside the Worker's process."""
    if not LIVE:
        return
    inside = [item for item in items if WORKER / "tests" / "inside" in item.path.parents]
    config.hook.pytest_deselected(items=inside)
    items[:] = [item for item in items if item not in inside]


@pytest.fixture
def worker() -> Iterator[Callable[..., Any]]:
    """Offer to make a client of the application with these bindings and variables."""
    from hello_starlette.app import app
    from starlette.testclient import TestClient
    from worker_kit.testing import fake_env, with_env

    opened = []

    def make(**env: Any) -> Any:
        opened.append(TestClient(with_env(app, fake_env(**env)), raise_server_exceptions=False))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Offer a client of the Worker with a database."""
    if LIVE:
        import httpx2

        with httpx2.Client(base_url=LIVE, timeout=60, trust_env=False) as session:
            yield session
        return
    from worker_kit.testing import FakeD1

    yield request.getfixturevalue("worker")(DB=FakeD1())
