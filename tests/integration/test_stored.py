"""What is stored is served right whatever upstream, clients and the machine do by then."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.integration.conftest import World
from tests.integration.test_front import asked, request, stored
from tests.integration.ways import Way, ask, everything, header, secure

BODY = bytes(range(255, -1, -1)) * 1024  # 256 KiB: sent by a thread, from disk
SMALL = BODY[:4096]  # sent by the loop, from memory


@contextmanager
def away(world: World) -> Iterator[None]:
    """Switch the upstream off for a while."""
    world.upstream.stop()
    try:
        yield
    finally:
        world.upstream.start()


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param("cl_short", marks=pytest.mark.fault("F01", path="hit")),
        pytest.param("truncate_chunked", marks=pytest.mark.fault("F02", path="hit")),
        pytest.param("chunk_no_end", marks=pytest.mark.fault("F03", path="hit")),
        pytest.param("reset_mid", marks=pytest.mark.fault("F04", path="hit")),
        pytest.param("no_cl_close", marks=pytest.mark.fault("F05", path="hit")),
        pytest.param("html403", marks=pytest.mark.fault("F06", path="hit")),
        pytest.param("html200", marks=pytest.mark.fault("F07", path="hit")),
        pytest.param("206_for_200", marks=pytest.mark.fault("F08", path="hit")),
        pytest.param("304_unconditional", marks=pytest.mark.fault("F09", path="hit")),
        pytest.param("status503", marks=pytest.mark.fault("F11", path="hit")),
        pytest.param("dup_cl", marks=pytest.mark.fault("F12", path="hit")),
        pytest.param("cl_te", marks=pytest.mark.fault("F13", path="hit")),
        pytest.param("stall_mid", marks=pytest.mark.fault("F25", path="hit")),
        pytest.param("flap", marks=pytest.mark.fault("31", path="hit")),
        pytest.param("infinite", marks=pytest.mark.fault("33", path="hit")),
        pytest.param("bigheader", marks=pytest.mark.fault("45", path="hit")),
        pytest.param("redirect_loop", marks=pytest.mark.fault("47", path="hit")),
        pytest.param("early_hint", marks=pytest.mark.fault("47", path="hit")),
    ],
)
def test_an_asset_needs_nothing_of_an_upstream_that_went_bad(world: World, way: Way, behaviour: str) -> None:
    """It is a hit, whole and in parts, and upstream does not hear of it."""
    path = f"/{way}/stored-before-{behaviour}.whl"
    world.upstream.route(path, BODY)
    assert ask(world.proxy, way, f"https://assets.example{path}").body == BODY
    world.upstream.route(path, b"bad", behaviour)
    before = world.upstream.count(path)
    for arguments, expected in (((), BODY), (("--range", "5-9"), BODY[5:10]), (("--head",), b"")):
        seen = ask(world.proxy, way, f"https://assets.example{path}", *arguments)
        assert (seen.code, header(seen, "Cache-Status")) == (0, "drydock; hit")
        assert seen.body.endswith(expected)
    assert world.upstream.count(path) == before


@pytest.mark.parametrize(
    "behaviour",
    [
        "cl_short",
        "truncate_chunked",
        "chunk_no_end",
        "reset_mid",
        "206_for_200",
        "dup_cl",
        "status503",
        "bigheader",
        "nul_header",
    ],
)
def test_a_stored_page_outlives_its_validation_by_an_upstream_that_went_bad(world: World, way: Way, behaviour: str) -> None:
    """Whoever gets a whole page gets a right one; when upstream is well again, so is the page."""
    path = f"/{way}/page-before-{behaviour}/"
    target = f"https://index.example{path}"
    world.upstream.route(path, SMALL, etag='"1"', cache_control="max-age=0")
    assert ask(world.proxy, way, target).body == SMALL
    world.upstream.route(path, BODY, behaviour)
    for _ in range(2):
        seen = ask(world.proxy, way, target)
        assert seen.code != 0 or seen.status >= 500 or seen.body == SMALL
    with_stale = ask(world.proxy, way, target, "--header", "Cache-Control: max-stale")
    assert (with_stale.code, with_stale.body) == (0, SMALL)
    world.upstream.route(path, SMALL, etag='"1"', cache_control="max-age=0")
    assert ask(world.proxy, way, target).body == SMALL


@pytest.mark.fault("F20", path="hit")
def test_what_is_stored_needs_no_upstream(own_world: World, way: Way) -> None:
    """With upstream away, assets and stale pages come at once and right; what is not stored is said to be out of reach."""
    world = own_world
    for path, body in (("/kept", BODY), ("/kept-small", SMALL)):
        world.upstream.route(path, body)
        ask(world.proxy, way, f"https://assets.example{path}")
    world.upstream.route("/kept/", SMALL, etag='"1"', cache_control="max-age=0")
    ask(world.proxy, way, "https://index.example/kept/")
    with away(world):
        for target, body in (
            ("assets.example/kept", BODY),
            ("assets.example/kept-small", SMALL),
            ("index.example/kept/", SMALL),
        ):
            seen = ask(world.proxy, way, f"https://{target}")
            assert (seen.status, seen.body) == (200, body)
        started = time.monotonic()
        missing = ask(world.proxy, way, f"https://assets.example/{way}/never-seen")
        assert (missing.status, json.loads(missing.body)["error"]) == (504, "unreachable")
        assert time.monotonic() - started < 5


@pytest.mark.fault("F16", path="hit")
@pytest.mark.parametrize("body", [SMALL, BODY], ids=["small", "large"])
def test_twenty_at_once_are_twenty_hits(world: World, way: Way, body: bytes) -> None:
    """All have every byte, and upstream hears of none of them."""
    path = f"/{way}/twenty-{len(body)}"
    world.upstream.route(path, body)
    ask(world.proxy, way, f"https://assets.example{path}")
    ready = threading.Barrier(20)

    def fetch(_: int) -> bytes:
        with secure(world.proxy, way, "assets.example") as connection:
            ready.wait(10)
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: assets.example\r\nConnection: close\r\n\r\n".encode())
            return everything(connection).partition(b"\r\n\r\n")[2]

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(fetch, range(20))) == [body] * 20
    assert world.upstream.count(path) == 1


@pytest.mark.fault("F17", path="hit")
def test_a_client_that_leaves_in_the_middle_of_a_hit_spoils_nothing(world: World, way: Way) -> None:
    """By RST, by FIN, or by being stopped: the next GET is right, and no descriptor stays open for long."""
    path, body = f"/{way}/leaving", os.urandom(1 << 20) * 16
    world.upstream.route(path, body)
    ask(world.proxy, way, f"https://assets.example{path}")
    before = world.proxy.descriptors()
    for number in range(30):
        connection = secure(world.proxy, way, "assets.example")
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: assets.example\r\n\r\n".encode())
        assert connection.recv(1000)
        if number % 2:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # RST
        connection.close()
    assert ask(world.proxy, way, f"https://assets.example{path}").body == body
    deadline = time.monotonic() + 5
    while world.proxy.descriptors() > before + 2:
        assert time.monotonic() < deadline, (before, world.proxy.descriptors())
        time.sleep(0.02)


def test_a_proxy_that_was_stopped_for_a_while_goes_on(own_world: World, way: Way) -> None:
    """A laptop that slept: connections that were open, and new ones, are answered right."""
    world, path = own_world, f"/{way}/slept"
    world.upstream.route(path, BODY)
    ask(world.proxy, way, f"https://assets.example{path}")
    with secure(world.proxy, way, "assets.example") as connection:
        os.kill(world.proxy.pid, signal.SIGSTOP)
        try:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: assets.example\r\nConnection: close\r\n\r\n".encode())
        finally:
            os.kill(world.proxy.pid, signal.SIGCONT)
        assert everything(connection).endswith(BODY)
    assert ask(world.proxy, way, f"https://assets.example{path}").body == BODY


@pytest.mark.parametrize("trap", ["/%2e%2e{}", "/x/%2e%2e{}", "{}%00", "{}%2f..%2fother", "/%5c..{}", "{}\\"])
@pytest.mark.fault("44", path="hit")
def test_no_trap_in_a_path_leads_to_what_is_stored(world: World, way: Way, trap: str) -> None:
    """What another reader could decode to the path of a hit is refused, although the front has that at hand."""
    path = f"/{way}/behind-traps"
    stored(world, path, BODY)
    before = world.proxy.stats()["upstream_connections"]
    answer = asked(world, way, trap.format(path))
    assert answer.status in (400, 403)
    assert BODY not in answer.body
    assert world.proxy.stats()["upstream_connections"] == before


@pytest.mark.parametrize(
    "framing",
    ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: xchunked", "Content-Length: 5\r\nContent-Length: 6",
     "Content-Length: +5", " Content-Length: 5", "Transfer-Encoding : chunked"],
)  # fmt: skip
@pytest.mark.fault("46", path="hit")
def test_no_hit_is_had_by_a_request_that_can_be_read_in_two_ways(world: World, way: Way, framing: str) -> None:
    """One answer, 400: neither what is stored nor what hides in the body is sent."""
    path = f"/{way}/smuggled-hit"
    stored(world, path, BODY)
    with secure(world.proxy, way, "assets.example") as connection:
        connection.sendall(request(path, framing) + b"0\r\n\r\n" + request(path))
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:100]
    assert (answer.count(b"HTTP/1.1 "), BODY in answer) == (1, False)
