"""Interim responses of upstream reach the client that asked before its answer does, and nobody else (RFC 9110 §15.2)."""

import contextlib
import http.client
import socket
from collections.abc import Iterator

import pytest

from tests.integration.conftest import World
from tests.integration.running import RunningProxy
from tests.integration.test_front import request
from tests.integration.ways import Way, connect, everything, reply, secure
from tests.upstream.pki import Authority
from tests.upstream.scripted import Upstream

BODY = b"the answer" * 100
HINT = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload; as=style\r\n\r\n"
PERSONAL = "Authorization: Bearer nobody"


def asked(world: World, way: Way, host: str, path: str, *fields: str, version: str = "1.1", method: str = "GET") -> bytes:
    """Return everything that comes on a connection with one request."""
    with secure(world.proxy, way, host) as connection:
        head = request(path, "Connection: close", *fields, host=host, method=method)
        connection.sendall(head.replace(b" HTTP/1.1\r\n", f" HTTP/{version}\r\n".encode()))
        return everything(connection)


@pytest.mark.parametrize("host", ["assets.example", "index.example"])
@pytest.mark.parametrize(
    ("method", "fields"),
    [
        pytest.param("GET", [], marks=pytest.mark.fault("47", path="miss")),
        ("GET", [PERSONAL]),
        ("POST", ["Content-Length: 0"]),
    ],
    ids=["shared", "personal", "post"],
)
def test_hints_come_before_the_answer(world: World, way: Way, host: str, method: str, fields: list[str]) -> None:
    """Of a miss, of an index page, and of what is passed on; the answer behind it is whole."""
    path = f"/{way}/hints-{host}-{method}-{PERSONAL in fields}"
    world.upstream.route(path, BODY, "early_hint")
    answer = asked(world, way, host, path, *fields, method=method)
    interim, _, final = answer.partition(HINT)
    assert interim == b""
    assert final.startswith(b"HTTP/1.1 200 OK\r\n")
    assert final.endswith(b"\r\n\r\n" + BODY)


@pytest.mark.parametrize("agent", ["pip/25.0", "Python-urllib/3.14", "python-requests/2.32.0"])
def test_a_client_that_misreads_hints_gets_none(world: World, way: Way, agent: str) -> None:
    """Python's own takes a 103 for the answer, and the answer for that to its next request: it is read with that very client."""
    path = f"/{way}/hints-{agent}"
    world.upstream.route(path, BODY, "early_hint")
    with secure(world.proxy, way, "assets.example") as connection:
        for _ in range(2):
            connection.sendall(request(path, f"User-Agent: {agent}"))
            with contextlib.closing(http.client.HTTPResponse(connection)) as answer:
                answer.begin()
                assert (answer.status, answer.read()) == (200, BODY)


def test_hints_come_behind_the_leave_to_send_a_body(world: World, way: Way) -> None:
    """The 100 that a client waits for is the proxy's own; what upstream says follows it in order."""
    path = f"/{way}/hints-expected"
    world.upstream.route(path, BODY, "early_hint")
    with secure(world.proxy, way, "assets.example") as connection:
        connection.sendall(request(path, "Connection: close", "Expect: 100-continue", "Content-Length: 4", method="POST"))
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"body")
        assert everything(connection).startswith(HINT + b"HTTP/1.1 200 OK\r\n")
    assert [one.body for one in world.upstream.requests if one.path == path] == [b"body"]


@pytest.mark.fault("47", path="hit")
def test_hints_are_not_stored(world: World, way: Way) -> None:
    """The hit is the answer alone."""
    path = f"/{way}/hints-stored"
    world.upstream.route(path, BODY, "early_hint")
    assert asked(world, way, "assets.example", path).startswith(HINT)
    for _ in range(2):
        assert asked(world, way, "assets.example", path).startswith(b"HTTP/1.1 200 OK\r\n")
    assert world.upstream.count(path) == 1


def test_a_client_of_http_1_0_gets_none(world: World, way: Way) -> None:
    """It would take them for the answer (RFC 9110 §15.2)."""
    path = f"/{way}/hints-old"
    world.upstream.route(path, BODY, "early_hint")
    assert asked(world, way, "assets.example", path, version="1.0").startswith((b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n"))


@pytest.fixture(scope="module")
def bare(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A proxy before an upstream without TLS; mitmproxy reads what clients send there."""
    directory = tmp_path_factory.mktemp("bare-proxy")
    with Upstream(authority, "assets.example", "index.example") as upstream:
        policy = 'pin = ["assets.example:80"]\nrevalidate = ["index.example:80"]\n'
        resolve = [f"{name}=127.0.0.1:{upstream.plain_port}" for name in upstream.names]
        with RunningProxy(directory, policy, resolve=resolve) as proxy:
            yield World(proxy, upstream, authority.write(directory / "internet.pem"))
            assert not [line for line in proxy.log_lines() if "trace" in line], "the proxy crashed somewhere"


@pytest.fixture(params=[False, True], ids=["absolute", "in connect"])
def unsecured(bare: World, request: pytest.FixtureRequest) -> Iterator[tuple[str, socket.socket]]:
    """Each way to speak plain HTTP to a host in turn: what its requests' targets begin with, and a connection."""
    if request.param:
        with connect(bare.proxy, "assets.example:80") as connection:
            yield "", connection
    else:
        with socket.create_connection(bare.proxy.proxy_address, timeout=10) as connection:
            yield "http://assets.example", connection


@pytest.mark.parametrize(
    ("method", "fields"), [("GET", []), ("GET", [PERSONAL]), ("HEAD", []), ("POST", ["Content-Length: 0"])]
)
def test_hints_come_before_the_answer_over_plain_http(
    bare: World, unsecured: tuple[str, socket.socket], method: str, fields: list[str]
) -> None:
    """To each request of a connection its own, twice; the answers behind them are whole, and hits have none."""
    begin, connection = unsecured
    stored = method != "POST" and PERSONAL not in fields
    for number in range(2):
        path = f"/{bool(begin)}/{method}-{len(fields)}-{number}"
        bare.upstream.route(path, BODY, "early_hint")
        for hint in (HINT, b"" if stored else HINT):
            connection.sendall(request(begin + path, *fields, method=method))
            assert exactly(connection, len(hint)) == hint
            answer = reply(connection, method)
            assert (answer.status, answer.body) == (200, b"" if method == "HEAD" else BODY)


def test_hints_of_requests_sent_at_once_over_plain_http_come_in_order(
    bare: World, unsecured: tuple[str, socket.socket]
) -> None:
    """Each answer follows its own hint, however early its request came."""
    begin, connection = unsecured
    paths = [f"/{bool(begin)}/at-once-{number}" for number in range(5)]
    for path in paths:
        bare.upstream.route(path, path.encode(), "early_hint")
    heads = [request(begin + path) for path in paths[:-1]] + [request(begin + paths[-1], "Connection: close")]
    connection.sendall(b"".join(heads))
    nothing, *answers = everything(connection).split(HINT)
    assert nothing == b""
    assert [one.startswith(b"HTTP/1.1 200 OK\r\n") for one in answers] == [True] * len(paths)
    assert [one.partition(b"\r\n\r\n")[2] for one in answers] == [path.encode() for path in paths]


def test_hints_come_behind_the_leave_to_send_a_body_over_plain_http(bare: World, unsecured: tuple[str, socket.socket]) -> None:
    begin, connection = unsecured
    path = f"/{bool(begin)}/expected"
    bare.upstream.route(path, BODY, "early_hint")
    connection.sendall(request(begin + path, "Expect: 100-continue", "Content-Length: 4", method="POST"))
    leave = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert exactly(connection, len(leave)) == leave
    connection.sendall(b"body")
    assert exactly(connection, len(HINT)) == HINT
    assert reply(connection).body == BODY
    assert [one.body for one in bare.upstream.requests if one.path == path] == [b"body"]


@pytest.mark.parametrize(("version", "agent"), [("1.0", "curl/8.22.0"), ("1.1", "pip/25.0"), ("1.1", "Python-urllib/3.14")])
def test_who_misreads_hints_gets_none_over_plain_http(
    bare: World, unsecured: tuple[str, socket.socket], version: str, agent: str
) -> None:
    begin, connection = unsecured
    path = f"/{bool(begin)}/misread-{version}-{agent}"
    bare.upstream.route(path, BODY, "early_hint")
    head = request(begin + path, f"User-Agent: {agent}")
    connection.sendall(head.replace(b" HTTP/1.1\r\n", f" HTTP/{version}\r\n".encode()))
    answer = reply(connection)
    assert (answer.status, answer.body) == (200, BODY)


def exactly(connection: socket.socket, size: int) -> bytes:
    """Return so many bytes, fewer at the end of the connection."""
    data = b""
    while len(data) < size and (more := connection.recv(size - len(data))):
        data += more
    return data
