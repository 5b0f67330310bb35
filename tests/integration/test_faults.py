"""What upstream and clients do wrong while a response is not stored yet, and what a client gets for it."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import NamedTuple

import pytest
from drydock_cache.digest import Digest
from drydock_cache.index import Expected
from drydock_cache.store import Store

from tests.integration.conftest import World
from tests.integration.ways import Way, ask, everything, header, secure
from tests.upstream.curl import Answer
from tests.upstream.resource import Gate

BODY = bytes(range(256)) * 1024
OTHER = bytes(byte ^ 0xFF for byte in BODY)
CUT = (18, 56)  # curl's exit codes for an answer that ends too early


class Waited(NamedTuple):
    """How long a client waited for what never ends, and what it had then."""

    answer: Answer
    seconds: float


# what stalls: a body that is stored, one that is passed on, and a connection that is neither taken nor refused
STALLED: dict[str, tuple[str, ...]] = {
    "https://assets.example/stall": (),
    "https://assets.example/stall-passed-on": ("--header", "Authorization: Bearer nobody"),
    "https://silent.example/file.whl": (),
}


@pytest.fixture(scope="module", autouse=True)
def stalled(world: World) -> Iterator[dict[tuple[str, Way], Future[Waited]]]:
    """Ask for what stalls, by both ways, while the other tests run, with clients that wait 45 s themselves."""
    for path in ("/stall", "/stall-passed-on"):
        world.upstream.route(path, BODY, "stall_mid")

    def wait(url: str, way: Way) -> Waited:
        started = time.monotonic()
        answer = ask(world.proxy, way, url, "--max-time", "45", *STALLED[url])
        return Waited(answer, time.monotonic() - started)

    with ThreadPoolExecutor(6) as pool:
        yield {(url, way): pool.submit(wait, url, way) for url in STALLED for way in Way}


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param("cl_short", marks=pytest.mark.fault("F01", path="miss")),
        pytest.param("truncate_chunked", marks=pytest.mark.fault("F02", path="miss")),
        pytest.param("chunk_no_end", marks=pytest.mark.fault("F03", path="miss")),
        pytest.param("reset_mid", marks=pytest.mark.fault("F04", path="miss")),
    ],
)
def test_an_answer_that_is_cut_off_never_looks_whole_and_is_not_stored(world: World, way: Way, behaviour: str) -> None:
    """The client sees an error or a broken transfer, and the next request goes upstream again and heals."""
    path = f"/{way}/{behaviour}"
    world.upstream.route(path, BODY, behaviour)
    broken = ask(world.proxy, way, f"https://assets.example{path}")
    assert broken.code in CUT or broken.status == 502, (broken.code, broken.status)
    world.upstream.route(path, BODY)
    healed = ask(world.proxy, way, f"https://assets.example{path}")
    assert (healed.code, healed.body) == (0, BODY)
    assert "hit" not in header(healed, "Cache-Status")


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [
        pytest.param("html200", "not-the-asset", marks=pytest.mark.fault("F07", path="miss")),
        pytest.param("206_for_200", "protocol", marks=pytest.mark.fault("F08", path="miss")),
        pytest.param("304_unconditional", "protocol", marks=pytest.mark.fault("F09", path="miss")),
        pytest.param("dup_cl", "protocol", marks=pytest.mark.fault("F12", path="miss")),
        pytest.param("redirect_loop", "redirects", marks=pytest.mark.fault("47", path="miss")),
        pytest.param("bigheader", "protocol", marks=pytest.mark.fault("45", path="miss")),
        pytest.param("manyheaders", "protocol", marks=pytest.mark.fault("45", path="miss")),
        pytest.param("nul_header", "protocol", marks=pytest.mark.fault("45", path="miss")),
    ],
)
def test_what_is_no_answer_to_the_request_is_a_bad_gateway_with_a_reason(
    world: World, way: Way, behaviour: str, failure: str
) -> None:
    """502 names the fault, nothing is stored, and the memory does not grow with what upstream sends."""
    path, before = f"/{way}/{behaviour}.whl", world.proxy.memory()
    world.upstream.route(path, BODY, behaviour)
    answer = ask(world.proxy, way, f"https://assets.example{path}")
    assert (answer.status, json.loads(answer.body)["error"]) == (502, failure)
    assert header(answer, "Cache-Status") == f"drydock; fwd=uri-miss; detail={failure}"
    assert world.proxy.memory() < before + 50
    world.upstream.route(path, BODY)
    assert ask(world.proxy, way, f"https://assets.example{path}").body == BODY


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        pytest.param("html403", 403, marks=pytest.mark.fault("F06", path="miss")),
        pytest.param("status503", 503, marks=pytest.mark.fault("F11", path="miss")),
    ],
)
def test_an_error_of_upstream_is_passed_on_and_not_stored(world: World, way: Way, behaviour: str, status: int) -> None:
    """The status arrives, whatever Cache-Control says, and the next request goes upstream again."""
    path = f"/{way}/{behaviour}"
    world.upstream.route(path, BODY, behaviour)
    answer = ask(world.proxy, way, f"https://assets.example{path}")
    assert answer.status == status
    assert f"fwd-status={status}" in header(answer, "Cache-Status")
    world.upstream.route(path, BODY)
    assert ask(world.proxy, way, f"https://assets.example{path}").body == BODY


@pytest.mark.fault("31", path="miss")
def test_upstream_that_fails_every_other_time_is_asked_again(world: World, way: Way) -> None:
    """A 503 that is followed by a 200 is not seen by the client; after three in a row the last one is, and it is not stored."""
    world.upstream.route(f"/{way}/flap", BODY, "flap")
    assert ask(world.proxy, way, f"https://assets.example/{way}/flap").body == BODY
    assert world.upstream.count(f"/{way}/flap") == 2
    world.upstream.route(f"/{way}/down", BODY, "status503")
    assert ask(world.proxy, way, f"https://assets.example/{way}/down").status == 503
    assert world.upstream.count(f"/{way}/down") == 3
    world.upstream.route(f"/{way}/down", BODY)
    assert ask(world.proxy, way, f"https://assets.example/{way}/down").body == BODY


@pytest.mark.fault("F10", path="hit miss")
def test_cookies_are_not_shared(world: World, way: Way) -> None:
    """Set-Cookie of one answer is given to nobody, on the miss and on the hit."""
    world.upstream.route(f"/{way}/cookie", BODY, "setcookie")
    for _ in range(2):
        answer = ask(world.proxy, way, f"https://assets.example/{way}/cookie")
        assert (answer.body, header(answer, "Set-Cookie")) == (BODY, "")


@pytest.mark.fault("47", path="miss")
def test_early_hints_are_not_the_answer(world: World, way: Way) -> None:
    """103 is not taken for the answer, and the answer after it arrives."""
    world.upstream.route(f"/{way}/hint", BODY, "early_hint")
    answer = ask(world.proxy, way, f"https://assets.example/{way}/hint")
    assert (answer.status, answer.body) == (200, BODY)


@pytest.mark.fault("F13", path="miss")
def test_length_and_chunks_together_end_in_right_bytes_or_an_error(world: World, way: Way) -> None:
    """An answer with Content-Length and chunks is right or refused, never mangled."""
    world.upstream.route(f"/{way}/cl_te", BODY, "cl_te")
    answer = ask(world.proxy, way, f"https://assets.example/{way}/cl_te")
    assert answer.status == 502 or (answer.code, answer.body) == (0, BODY)


@pytest.mark.fault("F16", path="miss")
def test_twenty_cold_clients_are_one_upstream_request(world: World, way: Way) -> None:
    """All who ask while a download is under way follow it, and all get the bytes that are there already."""
    gate = Gate()
    world.upstream.route(f"/{way}/cold", BODY, gate=gate)

    def follow(received: threading.Barrier) -> bytes:
        with secure(world.proxy, way, "assets.example") as connection:
            connection.sendall(f"GET /{way}/cold HTTP/1.1\r\nHost: assets.example\r\nConnection: close\r\n\r\n".encode())
            start = connection.recv(1 << 16)
            received.wait(10)
            return start + everything(connection)

    barrier = threading.Barrier(20, action=gate.open)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(follow, [barrier] * 20))
    assert [answer.endswith(BODY) for answer in answers] == [True] * 20
    assert sum(b"; collapsed" in answer[:1000] for answer in answers) == 19
    assert world.upstream.count(f"/{way}/cold") == 1


def test_a_client_gets_bytes_before_upstream_has_sent_all(world: World, way: Way) -> None:
    """A miss is passed on while it arrives."""
    gate = Gate()
    world.upstream.route(f"/{way}/early-bytes", BODY, gate=gate)
    with secure(world.proxy, way, "assets.example") as connection:
        connection.sendall(f"GET /{way}/early-bytes HTTP/1.1\r\nHost: assets.example\r\n\r\n".encode())
        received = b""
        while len(received) < len(BODY) // 4:
            received += connection.recv(1 << 16)
        gate.open()
        while len(received.partition(b"\r\n\r\n")[2]) < len(BODY):  # the content repeats itself: its end proves nothing
            received += connection.recv(1 << 16)
    assert received.endswith(BODY)


@pytest.mark.fault("F17", path="miss")
def test_a_client_that_leaves_does_not_spoil_the_download(world: World, way: Way) -> None:
    """The download goes on, is stored, and the next client gets it without another request."""
    gate = Gate()
    world.upstream.route(f"/{way}/left", BODY, gate=gate)
    with secure(world.proxy, way, "assets.example") as connection:
        connection.sendall(f"GET /{way}/left HTTP/1.1\r\nHost: assets.example\r\n\r\n".encode())
        assert connection.recv(1 << 16)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # RST
    gate.wait_reached()
    gate.open()
    assert ask(world.proxy, way, f"https://assets.example/{way}/left").body == BODY
    assert world.upstream.count(f"/{way}/left") == 1
    line = world.proxy.wait_for_line(lambda line: line.get("url", "").endswith(f"/{way}/left") and "cut" in line)
    assert line["cut"] == "the client left"


@pytest.mark.fault("F21", path="miss")
def test_an_upstream_that_is_away_is_said_to_be_at_once(world: World, way: Way) -> None:
    """A refused connection is 504 with the host and the reason."""
    started = time.monotonic()
    answer = ask(world.proxy, way, "https://gone.example/file.whl")
    assert time.monotonic() - started < 5
    assert (answer.status, json.loads(answer.body)["error"]) == (504, "unreachable")
    assert "gone.example" in json.loads(answer.body)["reason"]


@pytest.mark.parametrize("path", ["/%2e%2e/x", "/a%2f..%2fb", "/a%00b", "/a%5c..%5cb", "/a%0d%0aX-Injected:%201"])
@pytest.mark.fault("44", path="miss")
def test_encoded_traps_in_a_path_are_refused(world: World, way: Way, path: str) -> None:
    """What another reader could decode to another path is no URL of ours."""
    answer = ask(world.proxy, way, f"https://assets.example{path}", "--path-as-is")
    assert answer.status in (400, 403)
    assert world.upstream.count(path) == 0


@pytest.mark.fault("F27", path="hit miss")
def test_four_hundred_slow_heads_do_not_keep_a_good_request_waiting(world: World, way: Way) -> None:
    """While many connections hold back their requests, hits and misses are answered within two seconds."""
    world.upstream.route("/good", BODY)
    world.upstream.route(f"/{way}/good-miss", BODY)
    ask(world.proxy, way, "https://assets.example/good")
    slow = [socket.create_connection((world.proxy.proxy_address, world.proxy.tls_address)[number % 2]) for number in range(400)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall((b"GET / HTTP/1.1\r\nX", b"\x16\x03\x01")[number % 2])
        for path in ("/good", f"/{way}/good-miss"):
            started = time.monotonic()
            assert ask(world.proxy, way, f"https://assets.example{path}").body == BODY
            assert time.monotonic() - started < 2
    finally:
        for connection in slow:
            connection.close()


def test_a_client_that_leaves_in_the_middle_of_an_upload_is_no_crash(world: World, way: Way) -> None:
    """The journal says that it left, and the proxy goes on."""
    path = f"/{way}/abandoned"
    with secure(world.proxy, way, "assets.example") as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: assets.example\r\nContent-Length: {64 << 20}\r\n\r\n".encode())
        connection.sendall(bytes(16 << 20))  # more than all buffers on the way hold
    line = world.proxy.wait_for_line(lambda line: line.get("url", "").endswith(path))
    assert (line["status"], line["method"]) == (400, "POST")
    assert "left" in line["error"]


def test_a_client_that_closes_its_side_is_not_left_hanging(world: World) -> None:
    """Who sends a request and the end of the stream gets an answer or the end of the connection, within a moment."""
    with socket.create_connection(world.proxy.proxy_address, timeout=2) as connection:
        connection.sendall(b"GET http://unknown.example/ HTTP/1.1\r\nHost: unknown.example\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        everything(connection)


@pytest.mark.fault("F14", path="hit miss")
def test_bad_bytes_heal_where_the_digest_is_known(world: World, way: Way) -> None:
    """They never come whole, the next GET has the right ones, and bytes that turn bad later are not asked for."""
    path = f"/{way}/bad-once"
    with closing(Store(world.proxy.store)) as store:
        store.index.expect(f"https://assets.example{path}", Expected(Digest.of(BODY)))
    world.upstream.route(path, BODY, "wrongbytes_once")
    assert ask(world.proxy, way, f"https://assets.example{path}").code in CUT
    assert ask(world.proxy, way, f"https://assets.example{path}").body == BODY
    world.upstream.route(path, OTHER)
    hit = ask(world.proxy, way, f"https://assets.example{path}")
    assert (hit.body, header(hit, "Cache-Status")) == (BODY, "drydock; hit")


def test_a_hit_is_what_the_miss_was(world: World, way: Way) -> None:
    """Where no digest is known the first bytes count, and nobody gets others later."""
    world.upstream.route(f"/{way}/wrong", BODY, "wrongbytes_once")
    first, second = (ask(world.proxy, way, f"https://assets.example/{way}/wrong").body for _ in range(2))
    assert first == second == OTHER


@pytest.mark.fault("F05", path="miss")
def test_a_body_without_a_length_is_not_stored(world: World, way: Way) -> None:
    """A cut of it could not be noticed: the client gets what came, and the next request goes upstream again."""
    path = f"/{way}/unframed"
    world.upstream.route(path, BODY, "no_cl_close")
    assert ask(world.proxy, way, f"https://assets.example{path}").status == 200
    world.upstream.route(path, BODY)
    assert ask(world.proxy, way, f"https://assets.example{path}").body == BODY
    assert world.upstream.count(path) == 2


@pytest.mark.fault("F15", path="hit miss")
def test_a_range_first_fetches_the_whole(world: World, way: Way) -> None:
    """The part is right, the full object later too, from one upstream request; a part of what is stored is right as well."""
    path = f"/{way}/range-first"
    world.upstream.route(path, BODY)
    for _ in range(2):
        part = ask(world.proxy, way, f"https://assets.example{path}", "--range", "70000-70009")
        assert (part.status, part.body) == (206, BODY[70000:70010])
    whole = ask(world.proxy, way, f"https://assets.example{path}")
    assert (whole.status, whole.body, header(whole, "Cache-Status")) == (200, BODY, "drydock; hit")
    assert world.upstream.count(path) == 1


@pytest.mark.fault("F00", path="hit miss")
def test_the_second_get_is_a_hit(world: World, way: Way) -> None:
    """It has the same bytes, and upstream was asked once."""
    path = f"/{way}/warm"
    world.upstream.route(path, BODY)
    first, second = (ask(world.proxy, way, f"https://assets.example{path}") for _ in range(2))
    assert first.body == second.body == BODY
    assert header(first, "Cache-Status").startswith("drydock; fwd=uri-miss; fwd-status=200; stored")
    assert header(second, "Cache-Status") == "drydock; hit"
    assert world.upstream.count(path) == 1


@pytest.mark.fault("F25", path="miss")
@pytest.mark.parametrize("url", ["https://assets.example/stall", "https://assets.example/stall-passed-on"])
def test_a_stalled_upstream_is_ended_in_time(stalled: dict[tuple[str, Way], Future[Waited]], way: Way, url: str) -> None:
    """Silence in the middle of a download ends it within 25 s, and visibly; also of one that is passed on for one client."""
    waited = stalled[url, way].result(46)
    assert waited.seconds < 25
    assert waited.answer.code in CUT


@pytest.mark.fault("F21", path="miss")
def test_an_upstream_that_does_not_answer_at_all_is_given_up(stalled: dict[tuple[str, Way], Future[Waited]], way: Way) -> None:
    """Where packets are dropped, the client is told within 20 s."""
    waited = stalled["https://silent.example/file.whl", way].result(46)
    assert waited.seconds < 20
    assert (waited.answer.status, json.loads(waited.answer.body)["error"]) == (504, "timeout")
