"""SIGKILL of the running proxy, in the middle of everything: what was stored is served, and what was not is fetched right."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from drydock_cache.store import Store
from drydock_cache.verify import verify

from tests.integration.running import RunningProxy
from tests.integration.ways import Way, ask, everything, header, secure
from tests.upstream.resource import Gate
from tests.upstream.scripted import Upstream

POLICY = 'pin = ["assets.example"]\nrevalidate = ["index.example"]\n'
BODY = os.urandom(1 << 20) * 4


@pytest.fixture
def upstream(start_upstream: Callable[..., Upstream]) -> Upstream:
    """An upstream with assets and pages."""
    return start_upstream("assets.example", "index.example")


@pytest.fixture
def of_upstream(upstream: Upstream, authority_file: Path) -> dict[str, Any]:
    """What a proxy is told of the upstream."""
    return {"resolve": upstream.resolve, "upstream_ca": authority_file}


def staged(store: Path) -> list[str]:
    """Return what lies in the store's staging folder."""
    return sorted(entry.name for entry in (store / "staging").iterdir())


def wrong(store: Path) -> list[str]:
    """Return what a verification of the whole store finds wrong."""
    opened = Store.open_read_only(store)
    try:
        return [str(finding) for finding in verify(opened).wrong]
    finally:
        opened.close()


@pytest.mark.fault("F18", path="hit miss")
@pytest.mark.fault("F19", path="hit")
def test_a_kill_in_the_middle_does_no_harm(
    start_proxy: Callable[..., RunningProxy], upstream: Upstream, of_upstream: dict[str, Any], way: Way
) -> None:
    """Its process group dies while it downloads one body and sends another: after a start all is right, and nothing staged."""
    gate = Gate()
    upstream.route("/whole", BODY)
    upstream.route("/page/", b"page", etag='"1"', cache_control="max-age=600")
    upstream.route("/half", BODY, gate=gate)
    proxy = start_proxy(POLICY, **of_upstream)
    assert ask(proxy, way, "https://assets.example/whole").body == BODY
    assert ask(proxy, way, "https://index.example/page/").body == b"page"
    with secure(proxy, way, "assets.example") as downloading, secure(proxy, way, "assets.example") as hitting:
        downloading.sendall(b"GET /half HTTP/1.1\r\nHost: assets.example\r\n\r\n")
        gate.wait_reached()
        assert downloading.recv(1 << 16)
        hitting.sendall(b"GET /whole HTTP/1.1\r\nHost: assets.example\r\n\r\n")
        assert hitting.recv(1000)
        assert staged(proxy.store) != []
        proxy.kill()
        for connection in (downloading, hitting):
            assert len(everything(connection)) < len(BODY)
    gate.open()
    again = start_proxy(POLICY, **of_upstream)
    assert staged(again.store) == []
    hit = ask(again, way, "https://assets.example/whole")
    assert (hit.body, header(hit, "Cache-Status")) == (BODY, "drydock; hit")
    assert header(ask(again, way, "https://index.example/page/"), "Cache-Status").startswith("drydock; hit")
    assert ask(again, way, "https://assets.example/half").body == BODY
    assert upstream.count("/whole") == upstream.count("/page/") == 1
    assert wrong(again.store) == []


@pytest.mark.fault("F19", path="hit")
def test_a_kill_right_after_an_answer_loses_nothing(
    start_proxy: Callable[..., RunningProxy], upstream: Upstream, of_upstream: dict[str, Any], way: Way
) -> None:
    """What a client has whole is stored by then: twenty clients, and SIGKILL as soon as the last of them has its body."""
    paths = [f"/{number}" for number in range(20)]
    for path in paths:
        upstream.route(path, path.encode() * 10_000)
    proxy = start_proxy(POLICY, **of_upstream)
    with ThreadPoolExecutor(20) as pool:
        bodies = list(pool.map(lambda path: ask(proxy, way, f"https://assets.example{path}").body, paths))
    proxy.kill()
    assert bodies == [path.encode() * 10_000 for path in paths]
    upstream.stop()
    again = start_proxy(POLICY, **of_upstream)
    for path in paths:
        assert ask(again, way, f"https://assets.example{path}").body == path.encode() * 10_000
    assert staged(again.store) == []
