"""No room, no descriptors, no right to write: whoever asks is served, and it is said what is wrong."""

import contextlib
import json
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cache.tests.disks import fill, read_only, small_disk
from tests.integration.conftest import World
from tests.integration.running import RunningProxy
from tests.integration.ways import Way, ask, header
from tests.upstream.scripted import Upstream

POLICY = 'pin = ["assets.example"]\nrevalidate = ["index.example"]\n'
SMALL, LARGE = os.urandom(100_000), os.urandom(1 << 20) * 6
CROWD = 1500


@pytest.fixture
def upstream(start_upstream: Callable[..., Upstream]) -> Upstream:
    """An upstream with assets and pages."""
    upstream = start_upstream("assets.example", "index.example")
    for path, body in (("/kept", SMALL), ("/small", SMALL[::-1]), ("/large", LARGE)):
        upstream.route(path, body)
    upstream.route("/page/", b"page", etag='"1"', cache_control="max-age=0")
    return upstream


@pytest.fixture
def of_upstream(upstream: Upstream, authority_file: Path) -> dict[str, Any]:
    """What a proxy is told of the upstream."""
    return {"resolve": upstream.resolve, "upstream_ca": authority_file}


def problems(proxy: RunningProxy) -> list[str]:
    """Return what /readyz says."""
    found: list[str] = json.loads(ask(proxy, Way.CONNECT, f"{proxy.status_url}/readyz", "--noproxy", "*").body)["problems"]
    return found


@pytest.mark.fault("28", path="hit miss")
def test_silent_connections_make_room_for_a_good_request(
    start_proxy: Callable[..., RunningProxy], upstream: Upstream, of_upstream: dict[str, Any], way: Way
) -> None:
    """With 160 descriptors and 220 held heads, hits and misses take less than two seconds, and the journal is not flooded."""
    proxy = start_proxy(POLICY, before=["sh", "-c", 'ulimit -n 160; exec "$@"', "sh"], **of_upstream)
    assert ask(proxy, way, "https://assets.example/kept").body == SMALL
    before = proxy.descriptors()
    with contextlib.ExitStack() as stack:
        for number in range(220):
            address = proxy.proxy_address if number % 2 else proxy.tls_address
            connection = stack.enter_context(socket.create_connection(address, timeout=5))
            connection.sendall(b"GET / HTTP/1.1\r\nX" if number % 2 else b"\x16\x03\x01")
        for path, body in (("/kept", SMALL), ("/large", LARGE)):
            started = time.monotonic()
            assert ask(proxy, way, f"https://assets.example{path}").body == body
            assert time.monotonic() - started < 2
    started = time.monotonic()
    assert ask(proxy, way, "https://assets.example/small").body == SMALL[::-1]
    assert time.monotonic() - started < 2
    while proxy.descriptors() > before + 8:
        assert time.monotonic() - started < 5
        time.sleep(0.02)
    assert len(proxy.log_lines()) < 50


@contextlib.contextmanager
def crowd(world: World, count: int) -> Iterator[None]:
    """Hold so many silent connections, at both ports in turn."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, count + 500)), hard))
    try:
        with contextlib.ExitStack() as stack:
            for number in range(count):
                address = (world.proxy.proxy_address, world.proxy.tls_address)[number % 2]
                stack.enter_context(socket.create_connection(address, timeout=5))
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_thousands_of_idle_connections_cost_little(own_world: World, way: Way) -> None:
    """Hits and misses are answered at once all the while, memory grows by a few MiB, and descriptors come back."""
    world = own_world
    world.upstream.route("/idle", SMALL)
    world.upstream.route(f"/{way}/idle-miss", SMALL)
    ask(world.proxy, way, "https://assets.example/idle")
    descriptors, memory = world.proxy.descriptors(), world.proxy.memory()
    with crowd(world, CROWD):
        for path in ("/idle", f"/{way}/idle-miss"):
            started = time.monotonic()
            assert ask(world.proxy, way, f"https://assets.example{path}").body == SMALL
            assert time.monotonic() - started < 2
        assert world.proxy.memory() < memory + 20
    deadline = time.monotonic() + 5
    while world.proxy.descriptors() > descriptors + 4:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.fault("F26", path="hit miss")
def test_a_full_disk_is_said_and_every_client_is_served(
    start_proxy: Callable[..., RunningProxy], of_upstream: dict[str, Any], upstream: Upstream, way: Way, tmp_path: Path
) -> None:
    """What fits is stored, what does not passes through whole, hits and pages stay; with room again, things are stored again."""
    with small_disk(tmp_path / "disk", "2m") as disk:
        proxy = start_proxy(POLICY, options=["--store", str(disk / "store")], **of_upstream)
        assert ask(proxy, way, "https://assets.example/kept").body == SMALL
        assert ask(proxy, way, "https://index.example/page/").body == b"page"
        seen = ask(proxy, way, "https://assets.example/large")  # fills the disk by itself
        assert (seen.status, seen.body) == (200, LARGE)
        proxy.wait_for_line(lambda line: "not stored" in line.get("message", ""))
        filler = fill(disk)
        for path, body in (("/large", LARGE), ("/small", SMALL[::-1])):
            seen = ask(proxy, way, f"https://assets.example{path}")
            assert (seen.status, seen.body) == (200, body)
        assert header(ask(proxy, way, "https://assets.example/kept"), "Cache-Status") == "drydock; hit"
        assert ask(proxy, way, "https://index.example/page/").body == b"page"
        assert any("cannot be written" in problem for problem in problems(proxy))
        filler.unlink()
        for outcome in ("drydock; fwd=uri-miss; fwd-status=200; stored", "drydock; hit"):
            seen = ask(proxy, way, "https://assets.example/small")
            assert (seen.body, header(seen, "Cache-Status")) == (SMALL[::-1], outcome)
        assert problems(proxy) == []
        assert proxy.stop() == 0


@pytest.mark.fault("32", path="hit miss")
def test_a_store_that_became_read_only_is_still_served(
    start_proxy: Callable[..., RunningProxy], upstream: Upstream, of_upstream: dict[str, Any], way: Way
) -> None:
    """While it runs, and from its start: hits are served, misses pass through, and journal and /readyz say what is wrong."""
    proxy = start_proxy(POLICY, **of_upstream)
    assert ask(proxy, way, "https://assets.example/kept").body == SMALL

    def serves(one: RunningProxy) -> None:
        for path, body, outcome in (
            ("/kept", SMALL, "hit"),
            ("/large", LARGE, "fwd=uri-miss"),
            ("/large", LARGE, "fwd=uri-miss"),
        ):
            seen = ask(one, way, f"https://assets.example{path}")
            assert (seen.status, seen.body) == (200, body)
            assert outcome in header(seen, "Cache-Status")
        assert ask(one, way, "https://index.example/page/").body == b"page"
        assert any("cannot be written" in problem for problem in problems(one))

    with read_only(proxy.store):
        serves(proxy)
        assert any("not stored" in line.get("message", "") for line in proxy.log_lines())
        again = start_proxy(POLICY, **of_upstream)
        serves(again)
        assert any("cannot be written" in line.get("message", "") for line in again.log_lines())
        assert again.stop() == 0
    assert proxy.stop() == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into every folder; the test image runs the suite as another user")
def test_a_store_of_somebody_else_is_still_served(
    start_proxy: Callable[..., RunningProxy], upstream: Upstream, of_upstream: dict[str, Any]
) -> None:
    """Without the right to write, hits are served, and the start says what to do."""
    proxy = start_proxy(POLICY, **of_upstream)
    ask(proxy, Way.SNI, "https://assets.example/kept")
    proxy.stop()
    folders = [proxy.store, *(folder for folder in proxy.store.rglob("*") if folder.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        again = start_proxy(POLICY, **of_upstream)
        assert header(ask(again, Way.SNI, "https://assets.example/kept"), "Cache-Status") == "drydock; hit"
        assert any("cannot be written" in line.get("message", "") for line in again.log_lines())
        assert again.stop() == 0
    finally:
        for folder in folders:
            folder.chmod(0o755)
