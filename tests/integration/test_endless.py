"""Bodies that do not end: cut at the size that is known, or at a limit, with memory and disk as they were."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from drydock_cache.digest import Digest
from drydock_cache.index import Expected
from drydock_cache.store import Store

from tests.integration.conftest import World
from tests.integration.running import RunningProxy
from tests.integration.test_large_bodies import watched
from tests.integration.ways import Way, ask, secure
from tests.upstream.pki import Authority
from tests.upstream.scripted import Upstream

POLICY = """
pin = ["assets.example"]
revalidate = ["index.example"]
[limits]
asset = "24M"
page = "2M"
"""
KNOWN = 1_000_000
FLAT = 50  # MiB


@pytest.fixture(scope="module")
def limited(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A proxy with small limits."""
    directory = tmp_path_factory.mktemp("limited")
    ca = authority.write(directory / "internet.pem")
    with (
        Upstream(authority, "assets.example", "index.example") as upstream,
        RunningProxy(directory, POLICY, resolve=upstream.resolve, upstream_ca=ca) as proxy,
    ):
        yield World(proxy, upstream, ca)


def nothing_is_left(world: World) -> None:
    """See that what was staged goes within a moment, and that upstream is asked no more."""
    deadline = time.monotonic() + 5
    while list((world.proxy.store / "staging").iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.fault("33", path="miss")
@pytest.mark.parametrize(
    ("target", "limit"),
    [("assets.example/known", KNOWN), ("assets.example/unknown", 24 << 20), ("index.example/page/", 2 << 20)],
    ids=["known size", "asset", "page"],
)
def test_a_body_without_end_is_cut_where_it_should_have_ended(limited: World, way: Way, target: str, limit: int) -> None:
    """Not a byte more than the lock's size or the limit is passed on, and never as if it were whole; the journal says why."""
    world, path = limited, f"{target.partition('/')[2]}/{way}"
    url = f"https://{target.partition('/')[0]}/{path}"
    if limit == KNOWN:
        with closing(Store(world.proxy.store)) as store:
            store.index.expect(url, Expected(Digest.of(b"another"), KNOWN))
    world.upstream.route(f"/{path}", b"", "infinite")
    before = world.proxy.memory()
    with watched(world.proxy) as peak:
        seen = ask(world.proxy, way, url)
    assert seen.code in (18, 56)
    assert limit - (1 << 20) <= len(seen.body) < limit  # but for the last piece, which may be on its way when all is cut
    assert peak.memory < before + FLAT
    nothing_is_left(world)
    line = world.proxy.wait_for_line(lambda line: line.get("url") == url and "cut" in line)
    assert f"more than the {limit} bytes" in line["cut"]
    assert ("[limits]" in line["cut"]) == (limit != KNOWN)


def test_a_body_that_is_announced_as_too_large_is_refused_before_a_byte_of_it(limited: World, way: Way) -> None:
    """502 with the limit and the line of drydock.toml that raises it."""
    limited.upstream.route(f"/{way}/announced/", bytes(3 << 20))
    refused = ask(limited.proxy, way, f"https://index.example/{way}/announced/")
    assert refused.status == 502
    assert b"more than the 2097152 bytes" in refused.body
    assert b"raise page under [limits] in drydock.toml" in refused.body


def test_a_page_that_is_stored_outlives_one_without_end(limited: World, way: Way) -> None:
    """Its validation is answered with a body that never ends: that is cut, and the page comes again when upstream is well."""
    path = f"/{way}/was-well/"
    limited.upstream.route(path, b"page", etag='"1"', cache_control="max-age=0")
    assert ask(limited.proxy, way, f"https://index.example{path}").body == b"page"
    limited.upstream.route(path, b"", "infinite")
    assert ask(limited.proxy, way, f"https://index.example{path}").code in (18, 56)
    limited.upstream.route(path, b"page", etag='"1"', cache_control="max-age=0")
    assert ask(limited.proxy, way, f"https://index.example{path}").body == b"page"
    nothing_is_left(limited)


def test_a_body_without_end_that_is_passed_on_fills_neither_memory_nor_disk(limited: World, way: Way) -> None:
    """What one client asked for with a password goes to it alone, for as long as it reads."""
    limited.upstream.route(f"/{way}/passed-on", b"", "infinite")
    before = limited.proxy.memory()
    with watched(limited.proxy) as peak, secure(limited.proxy, way, "assets.example") as connection:
        connection.sendall(
            f"GET /{way}/passed-on HTTP/1.1\r\nHost: assets.example\r\nAuthorization: Bearer nobody\r\n\r\n".encode()
        )
        received = 0
        while received < 40 << 20:
            received += len(connection.recv(1 << 18))
    assert peak.memory < before + FLAT
    assert list((limited.proxy.store / "staging").iterdir()) == []
    line = limited.proxy.wait_for_line(lambda line: line.get("url", "").endswith(f"/{way}/passed-on"))
    assert line["cut"] == "the client left"
