"""What the tests of hello-starlette share: a client of the Worker in each tier, CPython and real Pyodide."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

WORKER = Path(__file__).parents[1]
for folder in (WORKER / "src", WORKER.parent / "kit" / "src"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from hello_starlette.app import app  # noqa: E402 - the path above comes first
from worker_kit.testing import FakeD1, fake_env, with_env  # noqa: E402


def in_this_process(**env: Any) -> Any:
    """Make a client of the application with these bindings and variables."""
    from starlette.testclient import TestClient

    return TestClient(with_env(app, fake_env(**env)), raise_server_exceptions=False)


@pytest.fixture
def worker() -> Iterator[Callable[..., Any]]:
    """Offer to make a client of the application with these bindings and variables."""
    opened = []

    def make(**env: Any) -> Any:
        opened.append(in_this_process(**env))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture(scope="session", params=["cpython", "pyodide"])
def client(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Offer a client: of the application on a stand-in of D1, and of the Worker's own entry with a real one."""
    if request.param == "cpython":
        with in_this_process(DB=FakeD1()) as session:
            yield session
        return
    import httpx2

    log = request.getfixturevalue("tmp_path_factory").mktemp("hello-starlette") / "log"
    with (
        request.getfixturevalue("pyodide").serve(WORKER, log=log) as served,
        httpx2.Client(base_url=served.url, timeout=60, trust_env=False) as session,
    ):
        yield session
