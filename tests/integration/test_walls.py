"""What must not pass: hosts outside the policy, names that disagree, requests that can be read in two ways."""

import json
import socket
import ssl
import time

import pytest

from tests.integration.conftest import World
from tests.integration.ways import Way, ask, connect, everything, header, plain, reply, secure

AT_ONCE = 2.0  # seconds


def status_of(answer: bytes) -> int:
    """Return the status of a raw answer; it must be whole, JSON, and carry a Cache-Status."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert headers["cache-status"].startswith("drydock"), head
    assert int(headers["content-length"]) == len(body), answer
    json.loads(body)
    return int(first.split(" ")[1])


@pytest.mark.parametrize("host", ["denied.example", "unknown.example", "tunnel.example.evil.example", "wild.example"])
def test_connect_to_a_host_outside_the_policy_is_refused_at_once(world: World, host: str) -> None:
    """403 comes within a moment with JSON that says which line of the policy would allow it, and the journal says it too."""
    started = time.monotonic()
    answer = plain(world.proxy.proxy_address, f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
    assert time.monotonic() - started < AT_ONCE
    assert status_of(answer) == 403
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert body["url"] == f"{host}:443"
    assert host in body["mend"] or "deny" in body["mend"]
    line = world.proxy.wait_for_line(lambda line: line.get("event") == "refused" and line.get("host") == host)
    assert line["mend"] == body["mend"]


@pytest.mark.parametrize("host", ["denied.example", "unknown.example", "wild.example", "2852039166", "0xa9fea9fe", "localhost"])
@pytest.mark.fault("40", path="miss", ways="sni")
def test_a_name_outside_the_policy_is_refused_at_once_on_the_tls_port(world: World, host: str) -> None:
    """The client gets the TLS alert unrecognized_name within a moment, before any certificate."""
    started = time.monotonic()
    with pytest.raises(ssl.SSLError, match="unrecognized name"):
        secure(world.proxy, Way.SNI, host)
    assert time.monotonic() - started < AT_ONCE


@pytest.mark.parametrize("place", ["assets.example:80", "assets.example:22", "127.0.0.1:443", "[::1]:443", "169.254.169.254:80",
                                       "2852039166:80", "localhost:443", "[::ffff:a9fe:a9fe]:80", "0.0.0.0:443"])  # fmt: skip
@pytest.mark.fault("40", path="miss", ways="connect")
def test_connect_to_other_ports_and_to_addresses_is_refused(world: World, place: str) -> None:
    """Neither another port of an allowed host nor an address in any spelling can be reached."""
    before = world.upstream.connections
    answer = plain(world.proxy.proxy_address, f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
    assert status_of(answer) == 403
    assert world.upstream.connections == before


@pytest.mark.parametrize("target", ["http://assets.example/x", "http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:1/",
                                    "http://[::1]/", "http://unknown.example/"])  # fmt: skip
def test_absolute_form_http_is_answered_by_the_same_policy(world: World, target: str) -> None:
    """Plain http to a host that is pinned on 443, to addresses and to strangers is 403, and nothing is connected to."""
    before = world.proxy.stats()["upstream_connections"]
    refused = ask(world.proxy, Way.CONNECT, target)
    assert refused.status == 403
    assert header(refused, "Cache-Status") == "drydock; fwd=bypass; detail=policy"
    assert world.proxy.stats()["upstream_connections"] == before


def test_the_loopback_ports_of_the_proxy_cannot_be_reached_through_it(world: World) -> None:
    """Nobody reaches the status server, the TLS port or the proxy port by way of the proxy."""
    for port in (world.proxy.proxy_address[1], world.proxy.tls_address[1], int(world.proxy.status_url.rpartition(":")[2])):
        request = f"GET http://127.0.0.1:{port}/stats HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        assert status_of(plain(world.proxy.proxy_address, request.encode())) == 403


@pytest.mark.fault("42", path="miss")
def test_a_host_header_that_disagrees_with_the_connection_is_misdirected(world: World, way: Way) -> None:
    """Host must name the host of SNI or CONNECT: 421 otherwise, and nothing goes upstream."""
    world.upstream.route(f"/{way}/fronted", b"of assets")
    for host in ("tunnel.example", "assets.example:8443", "assets.example, evil.example", "@", ""):
        answer = ask(
            world.proxy, way, f"https://assets.example/{way}/fronted", "--header", f"Host: {host}" if host else "Host;"
        )
        assert answer.status == 421, host
        assert header(answer, "Cache-Status") == "drydock; fwd=bypass; detail=request"
    assert world.upstream.count(f"/{way}/fronted") == 0


def test_another_name_inside_connect_is_refused(world: World) -> None:
    """SNI must name the host of CONNECT, whatever its case; otherwise the handshake ends with an alert."""
    with pytest.raises(ssl.SSLError, match="unrecognized name"):
        secure(world.proxy, Way.CONNECT, "assets.example", sni="index.example")
    secure(world.proxy, Way.CONNECT, "ASSETS.Example.", sni="assets.EXAMPLE").close()


@pytest.mark.parametrize("target", ["assets.example:443", "tunnel.example:443", "tunnel.example:8443"])
@pytest.mark.parametrize(
    "hosts", [["evil.example:443"], ["evil.example"], ["%s:444"], ["assets.example.evil.example"], [""], ["a b"], ["%s", "%s"]]
)
@pytest.mark.fault("42", path="miss", ways="connect")
def test_a_connect_whose_host_field_names_another_host_is_refused(world: World, target: str, hosts: list[str]) -> None:
    """Authority and Host must agree before anything is decrypted, dialled or looked up: 400, and nothing goes upstream."""
    before = world.proxy.stats()["upstream_connections"]
    fields = "".join(f"Host: {host.replace('%s', target.partition(':')[0])}\r\n" for host in hosts)
    answer = plain(world.proxy.proxy_address, f"CONNECT {target} HTTP/1.1\r\n{fields}\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:100]
    assert b"Host" in answer.partition(b"\r\n\r\n")[2]
    assert world.proxy.stats()["upstream_connections"] == before


@pytest.mark.parametrize("field", ["", "Host: assets.example\r\n", "host:ASSETS.example.:443 \r\n"])
def test_a_connect_whose_host_field_agrees_or_is_missing_stands(world: World, field: str) -> None:
    """Clients leave the port out, or the field: what they are for is in the first line."""
    with socket.create_connection(world.proxy.proxy_address, timeout=10) as connection:
        connection.sendall(f"CONNECT assets.example:443 HTTP/1.1\r\n{field}\r\n".encode())
        assert connection.recv(1 << 10).startswith(b"HTTP/1.1 200 ")


def test_a_certificate_is_made_for_intercepted_hosts_alone(world: World, way: Way) -> None:
    """The leaf is for the host that was named, signed by our CA; a tunnelled host's certificate is its own."""
    with secure(world.proxy, way, "assets.example") as connection:
        certificate = connection.getpeercert()
    assert certificate is not None
    assert certificate["subjectAltName"] == (("DNS", "assets.example"),)
    with pytest.raises(ssl.SSLCertVerificationError):
        secure(world.proxy, way, "tunnel.example")


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: assets.example\r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"\x16\x03\x01\x00\x06\x02\x00\x00\x02\xff\xff",
        b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(200_000),
    ],
    ids=["http", "ssh", "no hello", "endless"],
)
def test_what_is_no_greeting_on_the_tls_port_ends_the_connection(world: World, data: bytes) -> None:
    """Other protocols, broken greetings and endless ones are closed, not waited for."""
    started = time.monotonic()
    answer = plain(world.proxy.tls_address, data)
    assert time.monotonic() - started < AT_ONCE
    assert answer in (b"", b"\x15\x03\x01\x00\x02\x02\x70")


def test_a_greeting_without_a_name_is_refused(world: World) -> None:
    """Without SNI nobody knows where the connection should lead."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(world.proxy.tls_address) as raw, pytest.raises(ssl.SSLError, match="unrecognized name"):
        context.wrap_socket(raw)


def test_a_greeting_in_small_pieces_is_understood(world: World) -> None:
    """A ClientHello may come byte by byte."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context(cafile=str(world.proxy.ca)).wrap_bio(incoming, outgoing, server_hostname="assets.example")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    with socket.create_connection(world.proxy.tls_address, timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        hello = outgoing.read()
        for start in range(0, len(hello), 50):
            connection.sendall(hello[start : start + 50])
        assert connection.recv(1) == b"\x16"


BAD_HEADS = {
    "length and chunks": b"POST /s HTTP/1.1\r\nHost: assets.example\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST /s HTTP/1.1\r\nHost: assets.example\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nxxxxxx",
    "a length that is none": b"POST /s HTTP/1.1\r\nHost: assets.example\r\nContent-Length: +5\r\n\r\nxxxxx",
    "an unknown coding": b"POST /s HTTP/1.1\r\nHost: assets.example\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "white space before a colon": b"GET /s HTTP/1.1\r\nHost: assets.example\r\nX-A : b\r\n\r\n",
    "no version": b"GET /s\r\n\r\n",
    "a preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "trailers": b"POST /s HTTP/1.1\r\nHost: assets.example\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Late: 1\r\n\r\n",
    "an endless chunk line": b"POST /s HTTP/1.1\r\nHost: assets.example\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 200_000,
    "a path with other bytes": b"GET /\xff\xfe HTTP/1.1\r\nHost: assets.example\r\n\r\n",
    "a path with a NUL": b"GET /a\0b HTTP/1.1\r\nHost: assets.example\r\n\r\n",
    "a path that climbs": b"GET /a/../../etc/passwd HTTP/1.1\r\nHost: assets.example\r\n\r\n",
    "a path that climbs in disguise": b"GET /a/%2e%2E/x HTTP/1.1\r\nHost: assets.example\r\n\r\n",
    "a backslash": b"GET /a\\..\\x HTTP/1.1\r\nHost: assets.example\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_HEADS)
@pytest.mark.fault("46", path="miss")
def test_a_request_that_can_be_read_in_two_ways_is_a_bad_request(world: World, way: Way, name: str) -> None:
    """400 as JSON and the end of the connection, and upstream sees nothing of it."""
    known = {request.target for request in world.upstream.requests}  # what another test asked for may still be tried again
    with secure(world.proxy, way, "assets.example") as connection:
        connection.sendall(BAD_HEADS[name])
        connection.settimeout(AT_ONCE)
        answer = reply(connection)
    assert answer.status in (400, 431)
    assert answer.headers["cache-status"].startswith("drydock; fwd=bypass")
    assert json.loads(answer.body)["reason"]
    assert {request.target for request in world.upstream.requests} <= known


def test_a_head_of_any_length_does_not_fill_the_memory(world: World, way: Way) -> None:
    """After 64 KiB without an end the client is told so, and the connection ends."""
    with secure(world.proxy, way, "assets.example") as connection:
        connection.sendall(b"GET /long HTTP/1.1\r\nHost: assets.example\r\nX-Long: " + b"x" * 66_000)
        assert status_of(everything(connection)) == 431


def test_long_urls_have_a_status_of_their_own(world: World, way: Way) -> None:
    """A URL over 8 KiB is 414, one below is asked for."""
    too_long = ask(world.proxy, way, f"https://assets.example/{'x' * 9000}")
    assert (too_long.status, header(too_long, "Cache-Status")) == (414, "drydock; fwd=bypass; detail=request")
    assert ask(world.proxy, way, f"https://assets.example/{'x' * 8000}").status == 404


@pytest.mark.parametrize(("fields", "status"), [(99, 404), (100, 431), (3000, 431)])
def test_a_hundred_header_fields_are_enough(world: World, way: Way, fields: int, status: int) -> None:
    """More are 431, on a connection that stays usable."""
    many = "".join(f"X-{number}: {number}\r\n" for number in range(fields))
    with secure(world.proxy, way, "assets.example") as connection:
        connection.sendall(f"GET /{way}/many HTTP/1.1\r\nHost: assets.example\r\n{many}\r\n".encode())
        assert reply(connection).status == status
        connection.sendall(b"HEAD /\xff HTTP/1.1\r\nHost: assets.example\r\n\r\n")
        assert reply(connection, "HEAD").status == 400
        connection.sendall(f"GET /{way}/none HTTP/1.1\r\nHost: assets.example\r\n\r\n".encode())
        assert reply(connection).status == 404


def test_connect_inside_an_intercepted_connection_is_a_bad_request(world: World, way: Way) -> None:
    """A tunnel within the tunnel would be a way around the policy."""
    with secure(world.proxy, way, "assets.example") as connection:
        connection.sendall(b"CONNECT tunnel.example:443 HTTP/1.1\r\nHost: tunnel.example:443\r\n\r\n")
        assert status_of(everything(connection)) == 400


def test_plain_http_inside_connect_is_not_sent_upstream_in_the_clear(world: World) -> None:
    """Who asks for port 443 without TLS gets an answer or a refusal, but upstream is never spoken to without TLS."""
    before = world.upstream.connections
    with connect(world.proxy, "assets.example:443") as connection:
        connection.sendall(b"GET /clear HTTP/1.1\r\nHost: assets.example:443\r\nConnection: close\r\n\r\n")
        assert status_of(everything(connection)) >= 400
    assert world.upstream.connections == before


def test_a_client_that_does_not_trust_the_ca_is_said_to_be_one(world: World, way: Way) -> None:
    """The journal says for which host a handshake failed and why: the client itself often says nothing."""
    assert ask(world.proxy, way, "https://assets.example/untrusted", ca=world.ca).code == 60
    line = world.proxy.wait_for_line(lambda line: line.get("event") == "tls")
    assert (line["host"], line["outcome"]) == ("assets.example", "failed")
    assert "trust" in line["error"] or "unknown ca" in line["error"]
