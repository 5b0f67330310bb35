"""The front under clients that misbehave: floods of requests, half-closed and slow ones, and what they must not cost others."""

import contextlib
import random
import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.conftest import World
from tests.integration.key_updates import KeyUpdates
from tests.integration.running import RunningProxy
from tests.integration.test_front import read_one, request
from tests.integration.ways import Reply, Way, ask, connect, everything, reply, secure
from tests.upstream.resource import Gate
from tests.upstream.scripted import Upstream

SMALL = bytes(range(256)) * 16
LARGE = SMALL * 1024
AT_ONCE = 2.0  # seconds


@pytest.fixture(autouse=True)
def stored(world: World) -> None:
    """Have a small and a large body at hand."""
    for path, body in (("/attacked/small", SMALL), ("/attacked/large", LARGE)):
        if world.upstream.count(path) == 0:
            world.upstream.route(path, body)
            for _ in range(3):
                assert ask(world.proxy, Way.SNI, f"https://assets.example{path}").body == body


def quick(world: World) -> None:
    """See that somebody else is served at once."""
    for way in Way:
        started = time.monotonic()
        assert ask(world.proxy, way, "https://assets.example/attacked/small").body == SMALL
        assert time.monotonic() - started < AT_ONCE


def test_a_flood_of_requests_on_one_connection_is_answered_in_order(world: World, way: Way) -> None:
    """Two thousand hits, misses and refusals that were sent before the first answer was read."""
    chance = random.Random(7)
    world.upstream.route(f"/attacked/{way}", b"a miss")
    expected = {"/attacked/small": (200, SMALL), f"/attacked/{way}": (200, b"a miss"), "/a\\b": (400, None)}
    paths = [chance.choices(list(expected), (97, 2, 1))[0] for _ in range(2000)]
    with secure(world.proxy, way, "assets.example") as connection:
        connection.settimeout(30)
        sent = 0
        data = b"".join(request(path) for path in paths)
        stream = connection.makefile("rb")
        connection.setblocking(False)
        while sent < len(data):  # as long as the front takes them
            if not select.select([], [connection], [], 0.5)[1]:
                break
            try:
                sent += connection.send(data[sent : sent + 10_000])
            except BlockingIOError:
                break
        connection.settimeout(30)
        quick(world)
        whole = data[:sent].count(b"\r\n\r\n")
        assert whole > 50
        for path in paths[:whole]:
            status, body = read_one(stream, "GET")
            assert status == expected[path][0]
            assert body == expected[path][1] or status == 400


@pytest.mark.parametrize("path", ["/attacked/small", "/attacked/large"])
def test_a_client_that_closes_its_half_gets_the_hits_that_it_asked_for(world: World, way: Way, path: str) -> None:
    """The end of its stream comes right behind its request: the answer is whole all the same."""
    body = LARGE if path.endswith("large") else SMALL
    with secure(world.proxy, way, "assets.example") as connection:
        connection.sendall(request(path))
        socket.socket.shutdown(connection, socket.SHUT_WR)
        received = b""
        with contextlib.suppress(ssl.SSLError):  # the front says afterwards that TLS was not ended properly
            while data := connection.recv(1 << 18):
                received += data
    assert received.partition(b"\r\n\r\n")[2] == body


def test_half_a_greeting_of_who_has_left_is_let_go(world: World) -> None:
    """A client that sends some bytes and closes costs no descriptor until the greeting's time is over."""
    before = world.proxy.descriptors()
    for number in range(200):
        address, data = (
            ((world.proxy.tls_address), b"\x16\x03\x01") if number % 2 else (world.proxy.proxy_address, b"CONNECT assets.exam")
        )
        with socket.create_connection(address, timeout=5) as connection:
            connection.sendall(data)
    deadline = time.monotonic() + 5
    while world.proxy.descriptors() > before + 4:
        assert time.monotonic() < deadline, (before, world.proxy.descriptors())
        time.sleep(0.02)


def test_readers_of_one_byte_at_a_time_hold_nobody_up(world: World, way: Way) -> None:
    """Eighty clients that take a large answer in sips: others are served, memory stays, and theirs goes on being right."""
    memory = world.proxy.memory()
    with ExitStack() as stack:
        sipping = [stack.enter_context(secure(world.proxy, way, "assets.example")) for _ in range(80)]
        for connection in sipping:
            connection.sendall(request("/attacked/large"))
        for _ in range(5):
            assert all(connection.recv(1) for connection in sipping)
            quick(world)
        assert world.proxy.memory() < memory + 60
        assert everything_of(sipping[0], 5).endswith(LARGE[-10_000:])


def everything_of(connection: socket.socket, seen: int) -> bytes:
    """Return the rest of one large answer of which some bytes were read."""
    connection.settimeout(10)
    received = b""
    while len(received) + seen < len(LARGE) or not received.endswith(LARGE[-1000:]):
        received += connection.recv(1 << 18)
    return received


def test_handshakes_that_are_broken_off_leave_nothing(world: World) -> None:
    """After each of a hundred greetings that end in nonsense the front goes on, and nothing stays open."""
    before = world.proxy.descriptors()
    for number in range(100):
        with socket.create_connection(world.proxy.tls_address, timeout=5) as connection:
            connection.sendall(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01" + bytes([number]))
            everything(connection)
    quick(world)
    deadline = time.monotonic() + 5
    while world.proxy.descriptors() > before + 4:
        assert time.monotonic() < deadline, (before, world.proxy.descriptors())
        time.sleep(0.02)


def test_clients_that_take_nothing_of_a_miss_cost_little(own_world: World) -> None:
    """190 that follow one download and read nothing cost less than half a megabyte each, all told."""
    world = own_world
    world.upstream.route("/follow", bytes(48 << 20))
    before, most = world.proxy.memory(), 0
    with ExitStack() as stack:
        for _ in range(190):
            connection = stack.enter_context(secure(world.proxy, Way.SNI, "assets.example"))
            connection.sendall(request("/follow"))
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            most = max(most, world.proxy.memory())
            time.sleep(0.1)
    assert most - before < 95


def trickled(connection: socket.socket, head: bytes) -> Reply:
    """Send a request with a body in chunks of a byte, which goes on until somebody has enough of it; return the answer."""
    connection.sendall(head)
    with contextlib.suppress(OSError):
        for _ in range(10):
            connection.sendall(b"1\r\nx\r\n" * 1000)
    return reply(connection)


def test_a_body_in_chunks_of_a_byte_ends_soon(world: World, way: Way) -> None:
    """A short one is passed on as it is; one without end is refused after some thousand, with the reason."""
    world.upstream.route("/attacked/upload", b"thanks")
    head = b"POST /attacked/upload HTTP/1.1\r\nHost: assets.example\r\nTransfer-Encoding: chunked\r\n\r\n"
    with secure(world.proxy, way, "assets.example") as connection:
        connection.sendall(head + b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n")
        assert reply(connection).body == b"thanks"
        answer = trickled(connection, head)
    assert (answer.status, b"less than 16 bytes" in answer.body) == (400, True)


@pytest.mark.parametrize("inside", [False, True], ids=["absolute", "in connect"])
def test_chunks_of_a_byte_over_plain_http_end_soon_too(
    start_proxy: Callable[..., RunningProxy], start_upstream: Callable[..., Upstream], inside: bool
) -> None:
    """The same limit holds where TLS never was, and mitmproxy reads the body."""
    upstream = start_upstream("plain.example")
    proxy = start_proxy('pin = ["plain.example:80"]', resolve=[f"plain.example=127.0.0.1:{upstream.plain_port}"])
    upstream.route("/upload", b"thanks")
    authority = "" if inside else "http://plain.example"
    head = f"POST {authority}/upload HTTP/1.1\r\nHost: plain.example\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with connect(proxy, "plain.example:80") if inside else socket.create_connection(proxy.proxy_address) as connection:
        connection.settimeout(10)
        for _ in range(2):  # each request has its own account
            connection.sendall(head + b"1\r\nx\r\n" * 3000 + b"0\r\n\r\n")
            assert reply(connection).body == b"thanks"
        answer = trickled(connection, head)
    assert answer.status == 400
    assert b"less than 16 bytes" in answer.body
    assert upstream.count("/upload") == 2


def test_changes_of_keys_without_end_hold_nobody_up(own_world: World, tmp_path: Path) -> None:
    """A hundred thousand at once: the front lets go, does without that client for a minute, and says so; others get hits."""
    world, attacker = own_world, "127.0.0.9"
    world.upstream.route("/beside", SMALL)
    for _ in range(2):
        ask(world.proxy, Way.SNI, "https://assets.example/beside")
    flooding = [KeyUpdates(world.proxy, "assets.example", tmp_path, attacker) for _ in range(2)]
    floods = [one.records(50_000) for one in flooding]
    with ExitStack() as stack:
        for one in flooding:
            stack.enter_context(one.socket)
        connection = stack.enter_context(secure(world.proxy, Way.SNI, "assets.example"))
        for one, flood in zip(flooding, floods, strict=True):
            one.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.socket.send(flood)
        longest = 0.0
        began = time.monotonic()
        while time.monotonic() - began < 1.5:
            for one, flood in zip(flooding, floods, strict=True):
                with contextlib.suppress(OSError):
                    one.socket.send(flood)
            started = time.monotonic()
            connection.sendall(request("/beside"))
            assert reply(connection).body == SMALL
            longest = max(longest, time.monotonic() - started)
        for one in flooding:
            one.socket.settimeout(5)
            with contextlib.suppress(OSError):
                everything(one.socket)  # to its end
    assert longest < AT_ONCE
    refused = world.proxy.wait_for_line(lambda line: line.get("event") == "refused" and line.get("client") == attacker)
    assert "TLS keys" in refused["reason"]
    with socket.create_connection(world.proxy.tls_address, timeout=5, source_address=(attacker, 0)) as again:
        assert again.recv(1) == b""
    quick_hit = ask(world.proxy, Way.CONNECT, "https://assets.example/beside")
    assert quick_hit.body == SMALL


def test_changes_of_keys_beside_a_request_cost_no_thread(own_world: World, tmp_path: Path) -> None:
    """A client whose request waits for upstream changes keys without end: it is put out from the thread that relays, too."""
    world, attacker = own_world, "127.0.0.10"
    world.upstream.route("/held", SMALL, gate=(gate := Gate()))
    flooding = KeyUpdates(world.proxy, "assets.example", tmp_path, attacker)
    flood = flooding.data(request("/held")) + flooding.records(20_000)
    with flooding.socket as connection:
        connection.settimeout(5)
        with contextlib.suppress(ConnectionError):
            connection.sendall(flood)
            everything(connection)  # to its end
    gate.open()
    refused = world.proxy.wait_for_line(lambda line: line.get("event") == "refused" and line.get("client") == attacker)
    assert "TLS keys" in refused["reason"]


def settle(count: Callable[[], int]) -> None:
    """Wait until a number has not grown for half a second."""
    last, since = count(), time.monotonic()
    while time.monotonic() < since + 0.5:
        time.sleep(0.02)
        if (now := count()) != last:
            last, since = now, time.monotonic()


def test_clients_that_do_not_take_misses_leave_room_for_others(own_world: World, way: Way) -> None:
    """More than there are threads for: hits come at once, misses within the time that the idle ones are given."""
    world = own_world
    world.upstream.route("/untaken", bytes(8 << 20))
    world.upstream.route("/taken", SMALL)
    world.upstream.route(f"/{way}/new", SMALL)
    ask(world.proxy, way, "https://assets.example/taken")
    with ExitStack() as stack:
        for _ in range(270):
            connection = stack.enter_context(secure(world.proxy, way, "assets.example"))
            # with a password it is no hit, however often it was asked for
            connection.sendall(request("/untaken", "Authorization: Bearer nobody"))
        # how long the upstream of this test takes for them all says nothing of the proxy
        # how long the upstream of this test takes for them all says nothing of the proxy
        settle(lambda: world.upstream.count("/untaken"))
        started = time.monotonic()
        assert ask(world.proxy, way, "https://assets.example/taken").body == SMALL
        assert time.monotonic() - started < AT_ONCE
        assert ask(world.proxy, way, f"https://assets.example/{way}/new").body == SMALL
        assert time.monotonic() - started < 2 * AT_ONCE + 2


def test_a_miss_behind_a_large_hit_holds_up_no_other_hit(own_world: World, way: Way) -> None:
    """Twenty clients that ask for a large hit and, behind it, for what stalls: others get large hits at once."""
    world = own_world
    world.upstream.route("/large", LARGE)
    world.upstream.route(f"/{way}/stalls", SMALL, gate=(gate := Gate()))
    for _ in range(2):
        ask(world.proxy, way, "https://assets.example/large")
    with ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(secure(world.proxy, way, "assets.example"))
            connection.sendall(request("/large") + request(f"/{way}/stalls"))
            received = 0
            while received < len(LARGE):
                received += len(connection.recv(1 << 18))
        gate.wait_reached()
        started = time.monotonic()
        assert ask(world.proxy, way, "https://assets.example/large").body == LARGE
        assert time.monotonic() - started < AT_ONCE
        gate.open()
