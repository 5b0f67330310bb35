"""Slow links, lost packets and clients that break off: downloads take their time, and complete."""

import os
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.bad_network import LOSSY, SLOW, dropped, network
from tests.integration.running import RunningProxy
from tests.integration.ways import Way, ask, header, reply, secure
from tests.upstream.scripted import Upstream

POLICY = 'pin = ["assets.example"]\n'
SLOWLY = os.urandom(60_000)  # half a second a hop
LOSSILY = os.urandom(1_500_000)  # a thousand packets a hop
LARGE = os.urandom(8_000_000)
REQUEST = b"GET /large HTTP/1.1\r\nHost: assets.example\r\n\r\n"


@pytest.mark.fault("29", path="hit miss")
def test_a_slow_link_is_no_stalled_one(
    start_proxy: Callable[..., RunningProxy], start_upstream: Callable[..., Upstream], authority_file: Path, way: Way
) -> None:
    """At 1 Mbit/s a miss and a hit arrive whole, as slowly as the link is."""
    with network(*SLOW):
        upstream = start_upstream("assets.example")
        upstream.route("/slowly", SLOWLY)
        proxy = start_proxy(POLICY, resolve=upstream.resolve, upstream_ca=authority_file)
        started = time.monotonic()
        for outcome in ("fwd=uri-miss", "hit"):
            seen = ask(proxy, way, "https://assets.example/slowly")
            assert (seen.code, seen.body) == (0, SLOWLY)
            assert outcome in header(seen, "Cache-Status")
        assert time.monotonic() - started > 2 * len(SLOWLY) * 8 / 1_000_000  # it was slow
        assert upstream.count("/slowly") == 1


@pytest.mark.fault("30", path="hit miss")
def test_lost_packets_are_sent_again(
    start_proxy: Callable[..., RunningProxy], start_upstream: Callable[..., Upstream], authority_file: Path, way: Way
) -> None:
    """With one packet of twenty lost, on the way to upstream and to the client, misses and hits arrive whole."""
    with network(*LOSSY):
        upstream = start_upstream("assets.example")
        upstream.route("/lossily", LOSSILY)
        proxy = start_proxy(POLICY, resolve=upstream.resolve, upstream_ca=authority_file)
        for outcome in ("fwd=uri-miss", "hit"):
            seen = ask(proxy, way, "https://assets.example/lossily")
            assert (seen.code, seen.body) == (0, LOSSILY)
            assert outcome in header(seen, "Cache-Status")
        assert dropped() > 5  # of some hundred: loopback sends large packets
        assert upstream.count("/lossily") == 1


def test_clients_that_break_off_cut_nobody_else_short(
    start_proxy: Callable[..., RunningProxy], start_upstream: Callable[..., Upstream], authority_file: Path, way: Way
) -> None:
    """After thirty that reset their connections in the middle of a hit, all others get all of it."""

    def read(proxy: RunningProxy) -> bytes:
        with secure(proxy, way, "assets.example") as connection:
            connection.sendall(REQUEST)
            return reply(connection).body

    with network():  # whose connections begin with buffers that one write overfills
        upstream = start_upstream("assets.example")
        upstream.route("/large", LARGE)
        proxy = start_proxy(POLICY, resolve=upstream.resolve, upstream_ca=authority_file)
        assert read(proxy) == LARGE
        with ExitStack() as stack:
            for _ in range(30):
                leaving = stack.enter_context(secure(proxy, way, "assets.example"))
                leaving.sendall(REQUEST)
                assert leaving.recv(1000)
                leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with ThreadPoolExecutor(16) as pool:
            assert all(body == LARGE for body in pool.map(read, [proxy] * 32))
