"""Large content: memory stays flat on the way up and down, on a miss and on a hit, whoever is slow."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.conftest import World
from tests.integration.running import RunningProxy
from tests.integration.ways import Way, ask, reply, secure

SIZE = 32 << 20
FLAT = 16  # MiB that the process may grow by


@dataclass
class Peak:
    """The most memory that was seen, in MiB."""

    memory: int = 0


@contextmanager
def watched(proxy: RunningProxy) -> Iterator[Peak]:
    """Look at the proxy's memory all the while."""
    peak, finished = Peak(), threading.Event()

    def look() -> None:
        while not finished.wait(0.05):
            peak.memory = max(peak.memory, proxy.memory())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield peak
    finally:
        finished.set()
        looking.join()


@pytest.fixture(scope="module")
def large() -> bytes:
    """Content that is far larger than what the proxy may hold."""
    return os.urandom(1 << 20) * (SIZE >> 20)


def test_a_large_body_leaves_memory_flat_on_a_miss_and_on_a_hit(world: World, large: bytes) -> None:
    """It is passed on while it arrives and read from disk afterwards, never held."""
    world.upstream.route("/large", large)
    before = world.proxy.memory()
    with watched(world.proxy) as peak:
        for way in (Way.CONNECT, Way.SNI, Way.CONNECT):
            assert ask(world.proxy, way, "https://assets.example/large").body == large
    assert peak.memory < before + FLAT
    assert world.upstream.count("/large") == 1


def test_a_client_that_reads_slowly_is_not_read_ahead_for(world: World, large: bytes) -> None:
    """Neither a hit nor a miss piles up in memory for a client that does not take it."""
    world.upstream.route("/slowly", large)
    before = world.proxy.memory()
    with watched(world.proxy) as peak, secure(world.proxy, Way.SNI, "assets.example") as idle:
        idle.sendall(b"GET /slowly HTTP/1.1\r\nHost: assets.example\r\n\r\n")
        assert idle.recv(1000)  # and no more, while another takes all of it
        assert ask(world.proxy, Way.CONNECT, "https://assets.example/slowly").body == large
        with secure(world.proxy, Way.SNI, "assets.example") as idle_hit:
            idle_hit.sendall(b"GET /slowly HTTP/1.1\r\nHost: assets.example\r\n\r\n")
            assert idle_hit.recv(1000)
            assert ask(world.proxy, Way.CONNECT, "https://assets.example/slowly", "--head").status == 200
    assert peak.memory < before + FLAT


def test_a_large_upload_is_passed_on_as_it_comes(world: World, large: bytes, tmp_path: Path) -> None:
    """A body that a client sends is streamed to upstream."""
    world.upstream.route("/upload", b"taken")
    content = tmp_path / "content"
    content.write_bytes(large)
    before = world.proxy.memory()
    with watched(world.proxy) as peak:
        answer = ask(world.proxy, Way.CONNECT, "https://assets.example/upload", "--upload-file", str(content))
    assert (answer.status, answer.body) == (200, b"taken")
    assert peak.memory < before + FLAT
    assert len(world.upstream.requests[-1].body) == SIZE


def test_a_tunnel_holds_back_who_sends_faster_than_the_other_reads(world: World, large: bytes) -> None:
    """What goes through a tunnel does not pile up either."""
    world.upstream.route("/tunnelled", large)
    before = world.proxy.memory()
    with watched(world.proxy) as peak, secure(world.proxy, Way.SNI, "tunnel.example", ca=world.ca) as connection:
        connection.sendall(b"GET /tunnelled HTTP/1.1\r\nHost: tunnel.example\r\n\r\n")
        assert reply(connection).body == large
    assert peak.memory < before + FLAT
