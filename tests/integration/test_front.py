"""The front: hits that it answers itself are what the origin would answer, stay true, and never wait for each other."""

import json
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
from drydock_cache.digest import Digest
from drydock_cache.index import Expected
from drydock_cache.store import Store

from tests.integration.conftest import World
from tests.integration.running import RunningProxy
from tests.integration.ways import Reply, Way, ask, connect, everything, header, reply, secure
from tests.upstream.scripted import Upstream

BODY = bytes(range(256)) * 16
LARGE = 4 << 20
# With it the origin answers, also from the store.
SLOWLY = "Authorization: Bearer nobody"
AT_ONCE = 2.0  # seconds


def request(path: str, *fields: str, method: str = "GET", host: str = "assets.example") -> bytes:
    """Return a request as bytes."""
    return "\r\n".join((f"{method} {path} HTTP/1.1", f"Host: {host}", *fields, "", "")).encode()


def stored(world: World, path: str, body: bytes, **settings: object) -> str:
    """Have the store hold a path and the front know it; return its URL."""
    world.upstream.route(path.partition("?")[0], body, **settings)  # type: ignore[arg-type]
    url = f"https://assets.example{path}"
    for _ in range(3):
        assert ask(world.proxy, Way.SNI, url).body == body
    return url


def asked(world: World, way: Way, path: str, *fields: str, method: str = "GET") -> Reply:
    """Ask over a connection of its own."""
    with secure(world.proxy, way, "assets.example") as connection:
        connection.sendall(request(path, *fields, method=method))
        return reply(connection, method)


KINDS: dict[str, tuple[str, list[str], int]] = {
    "whole": ("GET", [], 200),
    "head": ("HEAD", [], 200),
    "range": ("GET", ["Range: bytes=10-99"], 206),
    "head of a range": ("HEAD", ["Range: bytes=10-99"], 206),
    "suffix": ("GET", ["Range: bytes=-7"], 206),
    "beyond": ("GET", ["Range: bytes=99999999-"], 416),
    "if-range holds": ("GET", ["Range: bytes=0-0", 'If-Range: "v1"'], 206),
    "if-range fails": ("GET", ["Range: bytes=0-0", 'If-Range: "v0"'], 200),
    "known": ("GET", ['If-None-Match: "v1"'], 304),
    "known head": ("HEAD", ['If-None-Match: W/"v1"'], 304),
    "unknown": ("GET", ['If-None-Match: "v0"'], 200),
    "several ranges": ("GET", ["Range: bytes=0-1,5-6"], 200),
}


@pytest.mark.parametrize("size", [len(BODY), LARGE], ids=["small", "large"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_front_answers_as_the_origin_does(world: World, way: Way, kind: str, size: int) -> None:
    """Status, every header and every byte of a hit are the same by either path; only times of day may differ."""
    method, fields, status = KINDS[kind]
    path, body = f"/front/same-{size}", BODY * (size // len(BODY))
    if world.upstream.count(path) == 0:
        stored(world, path, body, etag='"v1"')
    quick, slow = asked(world, way, path, *fields, method=method), asked(world, way, path, *fields, SLOWLY, method=method)
    assert (quick.status, slow.status) == (status, status)
    assert quick.body == slow.body
    assert quick.headers["cache-status"] == "drydock; hit"
    for answer in (quick, slow):
        answer.headers.pop("age", None)
        answer.headers.pop("date", None)
    assert quick.headers == slow.headers


def test_the_line_of_a_hit_has_the_same_fields_by_either_path(world: World) -> None:
    """Whoever reads the journal needs not know which part answered; a query, often a signature, is masked in both."""
    stored(world, "/front/line?signature=secret", BODY)
    before = len(world.proxy.log_lines())
    found: list[dict[str, object]] = []
    for fields in ([], [SLOWLY]):
        asked(world, Way.SNI, "/front/line?signature=secret", *fields)
        known = before + len(found)
        found.append(world.proxy.wait_for_line(lambda line, known=known: line in world.proxy.log_lines()[known:]))  # type: ignore[misc]
    quick, slow = ([(name, type(value)) for name, value in line.items()] for line in found)
    assert quick == slow
    for line in found:
        assert {name: line[name] for name in ("method", "status", "outcome", "cache_status", "bytes", "client", "url")} == {
            "method": "GET", "status": 200, "outcome": "hit", "cache_status": "drydock; hit", "bytes": len(BODY),
            "client": "127.0.0.1", "url": "https://assets.example/front/line?…",
        }  # fmt: skip


def test_hits_of_the_front_are_counted(world: World) -> None:
    """The status port knows of each, and of its bytes, once it was answered."""
    stored(world, "/front/counted", BODY)
    before = world.proxy.stats()
    for _ in range(5):
        asked(world, Way.CONNECT, "/front/counted")
    after = world.proxy.stats()
    assert after["requests"]["hit"] == before["requests"]["hit"] + 5
    assert after["bytes_served"] == before["bytes_served"] + 5 * len(BODY)


def test_requests_that_come_at_once_are_answered_in_order(world: World, way: Way) -> None:
    """Hits, misses, refusals and a large body, pipelined on one connection, are answered one after the other."""
    path = f"/front/{way}-pipelined"
    stored(world, "/front/first", BODY)
    stored(world, "/front/large", BODY * 1024)
    world.upstream.route(path, b"a miss")
    with secure(world.proxy, way, "assets.example") as connection:
        asking = [request("/front/first"), request("/front/large"), request(path), request("/front/first", method="HEAD")]
        asking += [request("/front/none"), request("/front/first", host="other.example"), request("/front/first")]
        connection.sendall(b"".join(asking))
        methods = ["GET", "GET", "GET", "HEAD", "GET", "GET", "GET"]
        stream = connection.makefile("rb")
        answers = [read_one(stream, method) for method in methods]
    assert [answer[0] for answer in answers] == [200, 200, 200, 200, 404, 421, 200]
    assert [len(answer[1]) for answer in answers[:4]] == [len(BODY), len(BODY) * 1024, 6, 0]
    assert answers[-1][1] == BODY


def test_a_request_that_came_before_is_judged_by_where_it_comes_in(world: World, way: Way) -> None:
    """Byte for byte the same, it is a hit each time, in however many pieces it comes; to another host it is misdirected."""
    path = f"/front/{way}-again"
    stored(world, path, BODY)
    same = request(path)
    with secure(world.proxy, way, "assets.example") as connection:
        stream = connection.makefile("rb")
        for pieces in ([same], [same], [same + same], [same[:20], same[20:]], [same]):
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.02 if len(pieces) > 1 else 0)
            for _ in range(max(len(piece) // len(same) for piece in pieces) or 1):
                assert read_one(stream, "GET") == (200, BODY)
    with secure(world.proxy, way, "index.example") as connection:
        connection.sendall(same)
        assert reply(connection).status == 421


def read_one(stream: BinaryIO, method: str) -> tuple[int, bytes]:
    """Read one answer from a stream that goes on after it."""
    line: bytes = stream.readline()
    fields: dict[str, str] = {}
    while text := stream.readline().decode().strip().lower():
        name, _, value = text.partition(": ")
        fields[name] = value
    if method == "HEAD":
        return int(line.split()[1]), b""
    if "chunked" not in fields.get("transfer-encoding", ""):
        return int(line.split()[1]), stream.read(int(fields["content-length"]))
    body = b""
    while size := int(stream.readline(), 16):
        body += stream.read(size)
        stream.readline()
    stream.readline()
    return int(line.split()[1]), body


def test_a_request_in_small_pieces_is_a_hit_too(world: World, way: Way) -> None:
    """However a head is cut on its way, it is one."""
    stored(world, "/front/pieces", BODY)
    with secure(world.proxy, way, "assets.example") as connection:
        for byte in request("/front/pieces"):
            connection.sendall(bytes([byte]))
        answer = reply(connection)
    assert (answer.status, answer.body, answer.headers["cache-status"]) == (200, BODY, "drydock; hit")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed(world: World, way: Way, version: ssl.TLSVersion) -> None:
    """A second connection of the same client needs no new key exchange, in either version of TLS."""
    stored(world, "/front/resumed", BODY)
    context = ssl.create_default_context(cafile=str(world.proxy.ca))
    context.maximum_version = context.minimum_version = version
    session: ssl.SSLSession | None = None
    resumed: list[bool | None] = []
    for _ in range(2):
        raw = (
            connect(world.proxy, "assets.example:443")
            if way is Way.CONNECT
            else socket.create_connection(world.proxy.tls_address)
        )
        with context.wrap_socket(raw, server_hostname="assets.example", session=session) as connection:
            connection.sendall(request("/front/resumed"))
            assert reply(connection).body == BODY
            session, resumed = connection.session, [*resumed, connection.session_reused]
    assert resumed == [False, True]


def test_a_client_that_closes_gets_the_end_of_the_connection(world: World, way: Way) -> None:
    """`Connection: close` is answered with the same, and a proper end."""
    stored(world, "/front/closing", BODY)
    with secure(world.proxy, way, "assets.example") as connection:
        connection.sendall(request("/front/closing", "Connection: close"))
        answer = everything(connection)
    assert answer.endswith(BODY)
    assert b"\r\nConnection: close\r\n" in answer


def changed_elsewhere(world: World) -> Store:
    """Open the proxy's store as another process would."""
    return Store(world.proxy.store)


def test_a_response_that_another_process_replaced_is_answered_anew(world: World) -> None:
    """A row that is written, or removed, behind the proxy's back counts within a moment."""
    url = stored(world, "/front/replaced", BODY)
    with closing(changed_elsewhere(world)) as store:
        found = store.find(url)
        assert found is not None
        store.index.put(replace(found, headers=(*found.headers, ("x-replaced", "yes"))))
        time.sleep(0.05)  # the moment
        assert header(ask(world.proxy, Way.SNI, url), "X-Replaced") == "yes"
        store.index.remove(found.key)
        time.sleep(0.05)
        assert "hit" not in header(ask(world.proxy, Way.SNI, url), "Cache-Status")
    assert world.upstream.count("/front/replaced") == 2


def test_a_lock_that_another_process_follows_counts_at_once(world: World) -> None:
    """Bytes that are not those that are expected by now are fetched again, and refused when upstream has no others."""
    url = stored(world, "/front/bound", BODY)
    with closing(changed_elsewhere(world)) as store:
        store.index.expect(url, Expected(Digest("0" * 64)))
    time.sleep(0.05)
    answer = ask(world.proxy, Way.SNI, url)
    assert (answer.code, answer.status) == (0, 502) or answer.code in (18, 56)
    assert world.upstream.count("/front/bound") == 2


def test_what_a_client_changes_upstream_is_asked_for_again(world: World, way: Way) -> None:
    """After a POST the stored response is gone, for the very next request on the same connection (RFC 9111 §4.4)."""
    path = f"/front/{way}-posted"
    stored(world, path, BODY)
    with secure(world.proxy, way, "assets.example") as connection:
        statuses = []
        for asking in (request(path), request(path, "Content-Length: 1", method="POST") + b"x", request(path)):
            connection.sendall(asking)
            statuses.append(reply(connection).headers["cache-status"])
    assert statuses[0] == "drydock; hit"
    assert "hit" not in statuses[2]


def test_slow_readers_of_large_hits_hold_nobody_up(world: World) -> None:
    """While forty clients leave large answers unread, small and large ones are answered, and theirs come whole later."""
    body = os.urandom(1 << 20) * (LARGE >> 20)
    stored(world, "/front/unread", body)
    stored(world, "/front/small", BODY)
    before = world.proxy.memory()
    with ExitStack() as stack:
        slow = [stack.enter_context(secure(world.proxy, list(Way)[number % 2], "assets.example")) for number in range(40)]
        for connection in slow:
            connection.sendall(request("/front/unread"))
            assert connection.recv(1)
        for path, expected in (("/front/small", BODY), ("/front/unread", body), ("/front/small", BODY)):
            started = time.monotonic()
            assert asked(world, Way.SNI, path).body == expected
            assert time.monotonic() - started < AT_ONCE
        assert world.proxy.memory() < before + 60
        for connection in (slow[0], slow[39]):
            received = 1
            while received < len(body):
                received += len(connection.recv(1 << 20))


def test_a_client_that_leaves_in_the_middle_of_a_hit_is_said_to(world: World) -> None:
    """The journal has the answer as cut, with what was sent."""
    stored(world, "/front/left", BODY * 4096)
    with secure(world.proxy, Way.SNI, "assets.example") as connection:
        connection.sendall(request("/front/left"))
        assert connection.recv(1000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # RST
    line = world.proxy.wait_for_line(lambda line: line.get("url", "").endswith("/front/left") and "cut" in line)
    assert line["cut"] == "the client left"
    assert line["bytes"] < len(BODY) * 4096


def test_a_blob_that_is_cut_while_it_is_sent_ends_the_answer_visibly(
    start_proxy: Callable[..., RunningProxy], upstream: Upstream, authority_file: Path
) -> None:
    """What was sent so far was right, and nobody takes it for the whole."""
    body = os.urandom(1 << 20) * 48
    upstream.route("/shrinks", body)
    proxy = start_proxy('pin = ["assets.example"]\n', resolve=upstream.resolve, upstream_ca=authority_file)
    for _ in range(2):
        assert ask(proxy, Way.SNI, "https://assets.example/shrinks").body == body
    (blob,) = [path for path in (proxy.store / "blobs").rglob("*") if path.is_file()]
    with secure(proxy, Way.SNI, "assets.example") as connection:
        connection.sendall(request("/shrinks"))
        received = connection.recv(1000)
        blob.chmod(0o644)
        os.truncate(blob, 1 << 20)
        received += everything(connection)
    content = received.partition(b"\r\n\r\n")[2]
    assert len(content) < len(body)
    assert body.startswith(content)


def test_stopping_in_the_middle_of_large_hits_takes_a_moment(
    start_proxy: Callable[..., RunningProxy], upstream: Upstream, authority_file: Path
) -> None:
    """Clients that read and clients that do not are cut off, visibly, and the journal says why."""
    body = os.urandom(1 << 20) * 64
    upstream.route("/large", body)
    proxy = start_proxy('pin = ["assets.example"]\n', resolve=upstream.resolve, upstream_ca=authority_file)
    for _ in range(2):
        assert ask(proxy, Way.SNI, "https://assets.example/large").body == body
    with ExitStack() as stack:
        open_ones = [stack.enter_context(secure(proxy, list(Way)[number % 2], "assets.example")) for number in range(12)]
        for connection in open_ones:
            connection.sendall(request("/large"))
            assert connection.recv(1000)
        status, seconds = proxy.signal(signal.SIGTERM)
        assert (status, seconds < 1) == (0, True), seconds
        assert all(len(everything(connection)) < len(body) for connection in open_ones)
    cut = [line for line in proxy.log_lines() if line.get("cut")]
    assert len(cut) == 12
    assert {line["cut"] for line in cut} == {"drydock is stopping"}
    assert "Traceback" not in proxy.output()


def test_an_absolute_target_means_its_own_host(world: World, way: Way) -> None:
    """RFC 9112 §3.2.2: the host of an absolute target counts, not the Host header; another one is misdirected."""
    stored(world, "/front/absolute", BODY)
    assert asked(world, way, "https://assets.example/front/absolute").body == BODY
    refused = asked(world, way, "https://index.example/front/absolute")
    assert (refused.status, json.loads(refused.body)["error"]) == (421, "misdirected")


@pytest.mark.fault("42", path="hit")
def test_a_hit_has_the_limits_of_every_request(world: World, way: Way) -> None:
    """A hundred fields are enough for what is stored, too, and so is one Host header that names the connection's host."""
    stored(world, "/front/limited", BODY)
    many = [f"X-{number}: 1" for number in range(100)]
    with secure(world.proxy, way, "assets.example") as connection:
        statuses = []
        for fields in ([], many, many[1:], []):
            connection.sendall(request("/front/limited", *fields))
            statuses.append(reply(connection).status)
        connection.sendall(request("/front/limited", host="index.example"))
        statuses.append(reply(connection).status)
    assert statuses == [200, 431, 200, 200, 421]


def test_a_request_without_a_host_is_no_hit(world: World) -> None:
    """RFC 9112 §3.2: what names no host is refused, however well the store and the greeting's name would fit."""
    stored(world, "/front/nameless", BODY)
    with secure(world.proxy, Way.SNI, "assets.example") as connection:
        connection.sendall(b"GET /front/nameless HTTP/1.1\r\n\r\n")
        refused = reply(connection)
    assert (refused.status, json.loads(refused.body)["error"]) == (421, "misdirected")


def s_client(world: World, *options: str, said: str = "") -> str:
    """Talk to the TLS port with openssl's own client, and return everything that it tells."""
    host, port = world.proxy.tls_address
    command = ["openssl", "s_client", "-connect", f"{host}:{port}", "-servername", "assets.example", "-CAfile"]
    done = subprocess.run(
        [*command, str(world.proxy.ca), *options], input=said, capture_output=True, text=True, timeout=20, check=False
    )
    return done.stdout + done.stderr


def test_a_client_cannot_renegotiate(world: World) -> None:
    """Each time would cost the server a handshake, and the client next to nothing."""
    told = s_client(world, "-tls1_2", said="R\n")
    assert "RENEGOTIATING" in told
    assert "no renegotiation" in told


def test_no_client_is_asked_for_a_certificate(world: World) -> None:
    """Who a client is, is nobody's business; and what is not asked for needs no parser."""
    told = s_client(world, "-tls1_3", "-msg", "-verify_return_error")
    assert "Certificate" in told
    assert "CertificateRequest" not in told


def test_protocols_before_tls_1_2_are_refused(world: World) -> None:
    """With an alert, whatever the client's security level."""
    told = s_client(world, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    assert "protocol version" in told or "no protocols available" in told
    assert "BEGIN CERTIFICATE" not in told


def test_only_http_1_1_is_chosen(world: World) -> None:
    """Before h2 when both are offered; with h2 alone no protocol is named."""
    assert "ALPN protocol: http/1.1" in s_client(world, "-alpn", "h2,http/1.1")
    assert "No ALPN negotiated" in s_client(world, "-alpn", "h2")
