"""One client cannot take what all need: descriptors, places, threads; others are served beside it as if it were not there."""

import contextlib
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import World
from tests.integration.running import RunningProxy
from tests.integration.ways import Way, ask, plain, reply, secure
from tests.upstream.scripted import Upstream

POLICY = 'pin = ["assets.example"]\ntunnel = ["tunnel.example"]\n'
BODY = b"for everybody"
OTHER = "127.0.0.2"  # another client, as the proxy sees it
CONNECT = b"CONNECT tunnel.example:443 HTTP/1.1\r\nHost: tunnel.example:443\r\n\r\n"
FEW = ("sh", "-c", 'ulimit -n 400; exec "$@"', "sh")  # descriptors


@pytest.fixture
def proxy(
    start_proxy: Callable[..., RunningProxy], start_upstream: Callable[..., Upstream], authority_file: Path
) -> RunningProxy:
    """A proxy with few descriptors, and an asset in its store."""
    upstream = start_upstream("assets.example", "tunnel.example")
    upstream.route("/kept", BODY)
    proxy = start_proxy(POLICY, resolve=upstream.resolve, upstream_ca=authority_file, before=FEW)
    for _ in range(2):
        ask(proxy, Way.SNI, "https://assets.example/kept")
    return proxy


def others_are_served(proxy: RunningProxy) -> None:
    """See that another client gets what is stored by both ways, within two seconds."""
    for way in Way:
        started = time.monotonic()
        seen = ask(proxy, way, "https://assets.example/kept", "--interface", OTHER, "--max-time", "5")
        assert (seen.status, seen.body) == (200, BODY)
        assert time.monotonic() - started < 2


def dialled(proxy: RunningProxy, client: str) -> tuple[socket.socket, bytes]:
    """Open a tunnel, send the beginning of a greeting through it, and return it with what came first."""
    connection = socket.create_connection(proxy.proxy_address, timeout=5, source_address=(client, 0))
    first = b""
    with contextlib.suppress(OSError):
        connection.sendall(CONNECT)
        first = connection.recv(100)
        connection.sendall(b"\x16\x03\x01")
    return connection, first


def test_tunnels_of_one_client_leave_room_for_others(proxy: RunningProxy) -> None:
    """It gets three quarters of the places, is told in the journal why no more, and gets them again when it lets go."""
    with contextlib.ExitStack() as stack:
        opened = 0
        for _ in range(100):
            connection, first = dialled(proxy, "127.0.0.1")
            stack.enter_context(connection)
            opened += first.startswith(b"HTTP/1.1 200 ")
        assert opened > 25
        assert proxy.descriptors() < 250  # those that stand: one that is not used yet may have made room for the next
        others_are_served(proxy)
        connection, first = dialled(proxy, OTHER)
        stack.enter_context(connection)
        assert first.startswith(b"HTTP/1.1 200 ")
        assert "share" in proxy.wait_for_line(lambda line: line.get("event") == "refused")["reason"]
    deadline = time.monotonic() + 5
    while not (first := dialled_once(proxy)).startswith(b"HTTP/1.1 200 "):
        assert time.monotonic() < deadline, first
        time.sleep(0.05)


def dialled_once(proxy: RunningProxy) -> bytes:
    """Open a tunnel and close it; return what came first."""
    connection, first = dialled(proxy, "127.0.0.1")
    connection.close()
    return first


def test_idle_connections_of_a_client_make_room_for_its_own_next(proxy: RunningProxy) -> None:
    """Who holds many heads that do not end is answered all the same when it asks for something."""
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            held = stack.enter_context(socket.create_connection(proxy.proxy_address, timeout=5))
            held.sendall(b"GET http://unknown.example/ HTTP/1.1\r\nX")
        request = b"GET http://unknown.example/ HTTP/1.1\r\nHost: unknown.example\r\nConnection: close\r\n\r\n"
        deadline = time.monotonic() + 5
        while not (answer := plain(proxy.proxy_address, request)):  # those of the same moment may come after it
            assert time.monotonic() < deadline
        assert answer.startswith(b"HTTP/1.1 403 ")


def test_heads_that_do_not_end_take_nothing_at_the_status_port(proxy: RunningProxy) -> None:
    """More than there are descriptors: the oldest go, the port answers, and so do the others; nothing crashes."""
    host, port = proxy.status_url.removeprefix("http://").split(":")
    before = proxy.descriptors()
    with contextlib.ExitStack() as stack:
        for _ in range(420):
            held = stack.enter_context(socket.create_connection((host, int(port)), timeout=5))
            held.sendall(b"GET /stats HTTP/1.1\r\nHo")
        assert proxy.stats()["requests"]["hit"] == 1
        others_are_served(proxy)
        assert proxy.descriptors() < before + 80
    assert not [line for line in proxy.log_lines() if "trace" in line]


def test_uploads_of_one_client_that_trickle_leave_threads_to_others(own_world: World) -> None:
    """More than there are threads for, none of them ever idle: another client's miss comes at once."""
    world = own_world
    world.upstream.route("/upload", BODY)
    world.upstream.route("/beside-uploads", BODY)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(secure(world.proxy, Way.SNI, "assets.example")) for _ in range(270)]
        for connection in held:
            connection.sendall(b"POST /upload HTTP/1.1\r\nHost: assets.example\r\nContent-Length: 9000\r\n\r\nx")
        started = time.monotonic()
        for way in Way:
            seen = ask(
                world.proxy, way, f"https://assets.example/beside-uploads?{way}", "--interface", OTHER, "--max-time", "5"
            )
            assert (seen.status, seen.body) == (200, BODY)
            for connection in held:  # each has sent something a moment ago
                connection.send(b"x")
        assert time.monotonic() - started < 3


@pytest.mark.parametrize("framing", ["Content-Length: 1048577", "Transfer-Encoding: chunked"])
def test_an_upload_ends_at_its_limit(
    start_proxy: Callable[..., RunningProxy],
    start_upstream: Callable[..., Upstream],
    authority_file: Path,
    way: Way,
    framing: str,
) -> None:
    """What is announced as too large reaches nobody, and what turns out so is cut off: 413 with the line that would allow it."""
    upstream = start_upstream("assets.example")
    upstream.route("/upload", BODY)
    policy = POLICY + '[limits]\nupload = "1M"\n'
    proxy = start_proxy(policy, resolve=upstream.resolve, upstream_ca=authority_file)
    with secure(proxy, way, "assets.example") as connection:
        connection.sendall(f"PUT /upload HTTP/1.1\r\nHost: assets.example\r\n{framing}\r\n\r\n".encode())
        with contextlib.suppress(OSError):  # it may be refused before it is sent
            for _ in range(40):
                connection.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n" if "chunked" in framing else bytes(26_214))
        answer = reply(connection)
    assert (answer.status, json.loads(answer.body)["error"]) == (413, "upload-too-large")
    assert upstream.count("/upload", "PUT") == ("chunked" in framing)
    assert all(len(request.body) <= 1 << 20 for request in upstream.requests)
    small = ask(proxy, way, "https://assets.example/upload", "--request", "PUT", "--data", "x" * 100_000)
    assert (small.status, small.body) == (200, BODY)
