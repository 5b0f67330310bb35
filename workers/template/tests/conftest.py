"""What the tests share: a client of the Worker in each tier, CPython on the kit's stand-ins and real Pyodide with real KV and D1."""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

WORKER = Path(__file__).parents[1]
for folder in (WORKER / "src", WORKER.parent / "kit" / "src"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from worker_kit.testing import FakeD1, FakeKV, fake_env, with_env  # noqa: E402

from template_worker.app import app  # noqa: E402 - the path above comes first
from template_worker.jobs import run  # noqa: E402
from template_worker.settings import Settings  # noqa: E402

API_KEY = "key-of-the-tests"
SCHEDULED = "/cdn-cgi/handler/scheduled"


def stand_ins() -> dict[str, Any]:
    """Make the variables, secrets and bindings of a Worker whose database is empty and migrated."""
    scripts = [file.read_text() for file in sorted((WORKER / "migrations").glob("*.sql"))]
    return {"API_KEY": API_KEY, "KV": FakeKV(), "DB": FakeD1(*scripts)}


def in_this_process(**env: Any) -> Any:
    """Make a client of the application with these variables, secrets and bindings, and with the runtime's way to fire a cron."""
    from fastapi.testclient import TestClient
    from starlette.responses import PlainTextResponse

    found = fake_env(**env)
    serve = with_env(app, found)

    async def runtime(scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") != SCHEDULED:
            await serve(scope, receive, send)
            return
        asked = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        now = datetime.fromtimestamp(int(asked["time"]) / 1000, UTC)
        await run(asked["cron"], now, Settings.from_env(found))
        await PlainTextResponse("Ran scheduled event")(scope, receive, send)

    return TestClient(runtime, raise_server_exceptions=False)


@pytest.fixture
def env() -> dict[str, Any]:
    """Offer what a Worker in this process is given, to be changed."""
    return stand_ins()


@pytest.fixture
def worker() -> Iterator[Callable[..., Any]]:
    """Offer to make a client of the application with these variables, secrets and bindings."""
    opened = []

    def make(**env: Any) -> Any:
        opened.append(in_this_process(**env))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture(scope="session", params=["cpython", "pyodide"])
def client(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Offer a client; all tests of a tier share one Worker, so each uses words of its own."""
    if request.param == "cpython":
        with in_this_process(**stand_ins()) as session:
            yield session
        return
    import httpx2

    log = request.getfixturevalue("tmp_path_factory").mktemp("served") / "log"
    with (
        request.getfixturevalue("pyodide").serve(WORKER, log=log, variables={"API_KEY": API_KEY}) as served,
        httpx2.Client(base_url=served.url, timeout=60, trust_env=False) as session,
    ):
        yield session


@pytest.fixture
def key() -> dict[str, str]:
    """Offer the header that lets a caller write."""
    return {"X-API-Key": API_KEY}
