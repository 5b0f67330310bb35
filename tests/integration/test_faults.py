"""What upstream does wrong, and what a client gets for it; the rows F00 to F25 and F43 to F47 of what must be survived."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.integration.conftest import World
from tests.integration.ways import Way, ask, everything, header, secure
from tests.upstream.resource import Gate

BODY = bytes(range(256)) * 1024
OTHER = bytes(byte ^ 0xFF for byte in BODY)
CUT = (18, 56)  # curl's exit codes for an answer that ends too early


@pytest.fixture(scope="module", autouse=True)
def stalled(world: World) -> Iterator[Future[tuple[list[int], float]]]:
    """Ask for what stalls in the middle, by both ways, while the other tests run; curl's exit codes and the seconds it took."""
    world.upstream.route("/stall", BODY, "stall_mid")

    def wait() -> tuple[list[int], float]:
        started = time.monotonic()
        with ThreadPoolExecutor(2) as pool:
            codes = list(
                pool.map(lambda way: ask(world.proxy, way, "https://assets.example/stall", "--max-time", "40").code, Way)
            )
        return codes, time.monotonic() - started

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(wait)


@pytest.mark.parametrize("behaviour", ["cl_short", "truncate_chunked", "chunk_no_end", "reset_mid"])
def test_an_answer_that_is_cut_off_never_looks_whole_and_is_not_stored(world: World, way: Way, behaviour: str) -> None:
    """The client sees an error or a broken transfer, and the next request goes upstream again and heals (F01 to F04)."""
    path = f"/{way}/{behaviour}"
    world.upstream.route(path, BODY, behaviour)
    broken = ask(world.proxy, way, f"https://assets.example{path}")
    assert broken.code in CUT or broken.status == 502, (broken.code, broken.status)
    world.upstream.route(path, BODY)
    healed = ask(world.proxy, way, f"https://assets.example{path}")
    assert (healed.code, healed.body) == (0, BODY)
    assert "hit" not in header(healed, "Cache-Status")


REFUSED = {
    "html200": (502, "not-the-asset"),  # F07
    "206_for_200": (502, "protocol"),  # F08
    "304_unconditional": (502, "protocol"),  # F09
    "dup_cl": (502, "protocol"),  # F12
    "redirect_loop": (502, "redirects"),  # F47
    "bigheader": (502, "protocol"),  # F45
    "manyheaders": (502, "protocol"),
    "nul_header": (502, "protocol"),
}


@pytest.mark.parametrize("behaviour", REFUSED)
def test_what_is_no_answer_to_the_request_is_a_bad_gateway_with_a_reason(world: World, way: Way, behaviour: str) -> None:
    """502 names the fault, nothing is stored, and the memory does not grow with what upstream sends."""
    path, before = f"/{way}/{behaviour}.whl", world.proxy.memory()
    world.upstream.route(path, BODY, behaviour)
    answer = ask(world.proxy, way, f"https://assets.example{path}")
    status, failure = REFUSED[behaviour]
    assert (answer.status, json.loads(answer.body)["error"]) == (status, failure)
    assert header(answer, "Cache-Status") == f"drydock; fwd=uri-miss; detail={failure}"
    assert world.proxy.memory() < before + 50
    world.upstream.route(path, BODY)
    assert ask(world.proxy, way, f"https://assets.example{path}").body == BODY


@pytest.mark.parametrize(("behaviour", "status"), [("html403", 403), ("status503", 503)])
def test_an_error_of_upstream_is_passed_on_and_not_stored(world: World, way: Way, behaviour: str, status: int) -> None:
    """The status arrives, whatever Cache-Control says, and the next request goes upstream again (F06, F11)."""
    path = f"/{way}/{behaviour}"
    world.upstream.route(path, BODY, behaviour)
    answer = ask(world.proxy, way, f"https://assets.example{path}")
    assert answer.status == status
    assert f"fwd-status={status}" in header(answer, "Cache-Status")
    world.upstream.route(path, BODY)
    assert ask(world.proxy, way, f"https://assets.example{path}").body == BODY


def test_upstream_that_fails_every_other_time_is_asked_again(world: World, way: Way) -> None:
    """A 503 that is followed by a 200 is not seen by the client (31)."""
    world.upstream.route(f"/{way}/flap", BODY, "flap")
    assert ask(world.proxy, way, f"https://assets.example/{way}/flap").body == BODY
    assert world.upstream.count(f"/{way}/flap") == 2


def test_cookies_are_not_shared(world: World, way: Way) -> None:
    """Set-Cookie of one answer is given to nobody, on the miss and on the hit (F10)."""
    world.upstream.route(f"/{way}/cookie", BODY, "setcookie")
    for _ in range(2):
        answer = ask(world.proxy, way, f"https://assets.example/{way}/cookie")
        assert (answer.body, header(answer, "Set-Cookie")) == (BODY, "")


def test_early_hints_are_not_the_answer(world: World, way: Way) -> None:
    """103 is passed over, and the answer after it arrives (F47)."""
    world.upstream.route(f"/{way}/hint", BODY, "early_hint")
    answer = ask(world.proxy, way, f"https://assets.example/{way}/hint")
    assert (answer.status, answer.body) == (200, BODY)


def test_length_and_chunks_together_end_in_right_bytes_or_an_error(world: World, way: Way) -> None:
    """An answer with Content-Length and chunks is right or refused, never mangled (F13)."""
    world.upstream.route(f"/{way}/cl_te", BODY, "cl_te")
    answer = ask(world.proxy, way, f"https://assets.example/{way}/cl_te")
    assert answer.status == 502 or (answer.code, answer.body) == (0, BODY)


def test_twenty_cold_clients_are_one_upstream_request(world: World, way: Way) -> None:
    """All who ask while a download is under way follow it, and all get the bytes that are there already (F16)."""
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


def test_a_client_that_leaves_does_not_spoil_the_download(world: World, way: Way) -> None:
    """The download goes on, is stored, and the next client gets it without another request (F17)."""
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


def test_an_upstream_that_is_away_is_said_to_be_at_once(world: World, way: Way) -> None:
    """A refused connection is 504 with the host and the reason (F21)."""
    started = time.monotonic()
    answer = ask(world.proxy, way, "https://gone.example/file.whl")
    assert time.monotonic() - started < 5
    assert (answer.status, json.loads(answer.body)["error"]) == (504, "unreachable")
    assert "gone.example" in json.loads(answer.body)["reason"]


@pytest.mark.parametrize("path", ["/%2e%2e/x", "/a%2f..%2fb", "/a%00b", "/a%5c..%5cb", "/a%0d%0aX-Injected:%201"])
def test_encoded_traps_in_a_path_are_refused(world: World, way: Way, path: str) -> None:
    """What another reader could decode to another path is no URL of ours (F44)."""
    answer = ask(world.proxy, way, f"https://assets.example{path}", "--path-as-is")
    assert answer.status in (400, 403)
    assert world.upstream.count(path) == 0


def test_four_hundred_slow_heads_do_not_keep_a_good_request_waiting(world: World) -> None:
    """While many connections hold back their requests, another one is answered within two seconds (F27)."""
    world.upstream.route("/good", BODY)
    slow = [socket.create_connection((world.proxy.proxy_address, world.proxy.tls_address)[number % 2]) for number in range(400)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall((b"GET / HTTP/1.1\r\nX", b"\x16\x03\x01")[number % 2])
        for way in Way:
            started = time.monotonic()
            assert ask(world.proxy, way, "https://assets.example/good").body == BODY
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


def test_a_hit_is_what_the_miss_was(world: World) -> None:
    """Where no digest is known the first bytes count, and nobody gets others later (F14)."""
    world.upstream.route("/wrong", BODY, "wrongbytes_once")
    first, second = (ask(world.proxy, Way.SNI, "https://assets.example/wrong").body for _ in range(2))
    assert first == second == OTHER


def test_a_stalled_upstream_is_ended_in_time(stalled: Future[tuple[list[int], float]]) -> None:
    """Silence in the middle of a download ends it within 25 s, by both ways in, and visibly (F25)."""
    codes, seconds = stalled.result(45)
    assert seconds < 25
    assert set(codes) <= set(CUT)
