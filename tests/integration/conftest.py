"""Fixtures: proxies that run with a policy of the test's own, and one that cheap tests share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.running import RunningProxy
from tests.integration.ways import Way
from tests.upstream.pki import Authority
from tests.upstream.scripted import Upstream
from tests.upstream.unanswering import unanswering

OUTSIDE = bytes(range(256)) * 1000
"""What lies behind a company's proxy."""

# index.example is revalidated; everything else that a shared proxy is asked for is pinned, tunnelled or unknown.
POLICY = """
pin = ["assets.example", "gone.example", "silent.example", "paths.example/only/*"]
revalidate = ["index.example"]
tunnel = ["tunnel.example", "*.wild.example", "away.example"]
deny = ["denied.example"]
"""


@dataclass(frozen=True)
class World:
    """A proxy and the one misbehaving upstream behind every name that it knows."""

    proxy: RunningProxy
    upstream: Upstream
    ca: Path  # of the upstream


@pytest.fixture
def start_proxy(tmp_path: Path) -> Iterator[Callable[..., RunningProxy]]:
    """Starts proxies: start_proxy(policy, mode=…, resolve=…, upstream_ca=…, …); they end with the test.

    All of a test's proxies have one store and one state, unless `directory` says otherwise.
    """
    with ExitStack() as stack:

        def start(policy: str, *, directory: Path | None = None, **settings: Any) -> RunningProxy:
            place = directory or tmp_path / "proxy"
            place.mkdir(exist_ok=True)
            return stack.enter_context(RunningProxy(place, policy, **settings))

        yield start


@pytest.fixture(scope="session")
def world(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A proxy that many tests share, each with paths of its own; nobody stops it or the upstream."""
    directory = tmp_path_factory.mktemp("shared-proxy")
    ca = authority.write(directory / "internet.pem")
    names = ("assets.example", "index.example", "paths.example", "tunnel.example", "a.wild.example")
    with Upstream(authority, *names) as upstream, unanswering() as port:
        resolve = [*upstream.resolve, "away.example=127.0.0.1:1", "gone.example=127.0.0.1:1"]
        resolve.append(f"silent.example=127.0.0.1:{port}")
        with RunningProxy(directory, POLICY, resolve=resolve, upstream_ca=ca, dns_answer="10.1.2.3") as proxy:
            yield World(proxy, upstream, ca)
            assert not [line for line in proxy.log_lines() if "trace" in line], "the proxy crashed somewhere"


@pytest.fixture(scope="module")
def own_world(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A proxy and an upstream of the module's own: tests may switch the upstream off, and on again before they end."""
    directory = tmp_path_factory.mktemp("own-proxy")
    ca = authority.write(directory / "internet.pem")
    with (
        Upstream(authority, "assets.example", "index.example") as upstream,
        RunningProxy(directory, POLICY, resolve=upstream.resolve, upstream_ca=ca) as proxy,
    ):
        yield World(proxy, upstream, ca)
        assert not [line for line in proxy.log_lines() if "trace" in line], "the proxy crashed somewhere"


@pytest.fixture(params=list(Way))
def way(request: pytest.FixtureRequest) -> Way:
    """Each way into the proxy in turn."""
    found: Way = request.param
    return found


@pytest.fixture
def outside(start_upstream: Callable[..., Upstream]) -> Upstream:
    """The world beyond a company's proxy."""
    upstream = start_upstream("assets.example", "tunnel.example")
    upstream.route("/file", OUTSIDE)
    upstream.route("/other", OUTSIDE)
    return upstream
