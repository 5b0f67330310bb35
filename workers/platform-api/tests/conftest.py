"""Fixtures of platform-api's tests: the stub server, and a client of the Worker in each tier, CPython and real Pyodide."""

import itertools
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
for folder in (ROOT / "tests", ROOT / "src", ROOT.parent / "kit" / "src"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from platform_api_testing.environment import API_KEY, variables  # noqa: E402 # found by the lines above
from platform_api_testing.stub import Upstreams, serve  # noqa: E402

ADDRESSES = itertools.count(int.from_bytes(os.urandom(3)))


class Api:
    """A client with an address of its own, so that no test uses up the rate limit of another."""

    def __init__(self, session: Any, address: str) -> None:
        self.session = session
        self.address = address

    def request(
        self, method: str, path: str, *, key: str | None = None, headers: dict[str, str] | None = None, **options: Any
    ) -> Any:
        """Send one request; `key` is an API key."""
        own = {"CF-Connecting-IP": self.address} | ({"X-API-Key": key} if key is not None else {})
        return self.session.request(method, path, headers=own | (headers or {}), **options)

    def get(self, path: str, **options: Any) -> Any:
        """Send a GET."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Any:
        """Send a POST."""
        return self.request("POST", path, **options)

    def audit(self, request_id: str) -> list[dict[str, Any]]:
        """Read the audit log's lines of one request, oldest first."""
        lines = self.get("/api/v1/platform/audit?page_size=100", key=API_KEY).json()["items"]
        return [line for line in reversed(lines) if line["request_id"] == request_id]


def new_address() -> str:
    """Make an address that no test has yet."""
    number = next(ADDRESSES)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


@pytest.fixture(scope="session")
def upstreams() -> Iterator[Upstreams]:
    """Serve the stub of Sanity, Workers AI and discord-bot."""
    with serve() as served:
        yield served


@pytest.fixture(scope="session", params=["cpython", "pyodide"])
def session(request: pytest.FixtureRequest, upstreams: Upstreams) -> Iterator[Any]:
    """Open a client: of the application in this process, and of the Worker's own entry in Pyodide."""
    if request.param == "cpython":
        with open_worker(upstreams.url) as client:
            yield client
        return
    import httpx

    pyodide = request.getfixturevalue("pyodide")
    log = request.getfixturevalue("tmp_path_factory").mktemp("platform-api") / "log"
    with (
        pyodide.serve(ROOT, log=log, variables=variables(upstreams.url), ai=f"{upstreams.url}/ai") as served,
        httpx.Client(base_url=served.url, timeout=60, trust_env=False) as client,
    ):
        yield client


def open_worker(stub_url: str, **overrides: Any) -> Any:
    """Make a test client of the application with its own bindings."""
    from fastapi.testclient import TestClient
    from platform_api_testing.worker import environment, runtime

    return TestClient(runtime(environment(stub_url, **overrides)), raise_server_exceptions=False)


@pytest.fixture
def api(session: Any) -> Api:
    """Offer a client of the Worker."""
    return Api(session, new_address())


@pytest.fixture
def word() -> str:
    """Offer a word that nothing else uses, for slugs, tags and kinds."""
    return f"w{uuid.uuid4().hex[:12]}"


@pytest.fixture
def worker(upstreams: Upstreams) -> Iterator[Callable[..., Api]]:
    """Offer to make a Worker with other variables or bindings than all tests share."""
    opened = []

    def make(**overrides: Any) -> Api:
        client = open_worker(upstreams.url, **overrides)
        opened.append(client)
        return Api(client, new_address())

    yield make
    for client in opened:
        client.close()
