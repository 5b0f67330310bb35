"""Whoever reaches the proxy cannot use it against its owner: from a browser beside it, by names of its tools, or by its limits."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping

import pytest

from tests.integration.conftest import World
from tests.integration.ways import Way, ask, everything, header, secure


def status_port(world: World, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Ask the status port as a browser would, past every proxy."""
    request = urllib.request.Request(f"{world.proxy.status_url}{path}", method=method, headers=dict(headers))
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.mark.parametrize("path", ["/stats", "/rehearsal", "/", "/metrics", "/ca.pem"])
def test_a_rebound_name_reads_nothing_from_the_status_port(world: World, path: str) -> None:
    """What the developers asked for is nothing that a page with a name of its own may read."""
    status, body = status_port(world, "GET", path, {"Host": "evil.example:8080"})
    assert (status, b"does not answer to the name" in body) == (403, True)
    assert status_port(world, "GET", path, {})[0] == 200


def test_a_page_cannot_begin_a_rehearsal(world: World) -> None:
    """Neither a form of another site, which browsers send without a question, nor JSON with an Origin gets anything done."""
    for headers in ({}, {"Origin": "https://evil.example", "Content-Type": "application/json"}):
        status, body = status_port(world, "POST", "/rehearsal/begin", headers)
        assert (status, json.loads(body)["error"]) == (403, "Commands are JSON, and come from no page in a browser.")
    assert status_port(world, "POST", "/rehearsal/end", {"Content-Type": "application/json"})[0] == 409, "none must have begun"


def test_no_answer_of_the_status_port_is_for_other_origins(world: World) -> None:
    """Without CORS headers a page of another site reads nothing."""
    request = urllib.request.Request(f"{world.proxy.status_url}/stats", headers={"Origin": "https://evil.example"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("name", ["mitm.it", "mitmproxy.local"])
def test_the_onboarding_host_is_a_name_like_any_other(world: World, name: str) -> None:
    """mitmproxy's own page, which hands out the CA, is refused by the policy."""
    answer = ask(world.proxy, Way.CONNECT, f"http://{name}/")
    assert (answer.status, json.loads(answer.body)["error"]) == (403, "refused")


@pytest.mark.parametrize(
    "bent",
    [
        ["X-Forwarded-Host: evil.example", "X-Original-URL: /other", "X-Rewrite-URL: /other", "Forwarded: host=evil.example"],
        ["X-HTTP-Method-Override: DELETE", "X-Method-Override: POST"],
        ["Connection: host, accept, x-bent", "X-Bent: 1"],
        ["Accept-Encoding: br;q=1, evil", "Accept-Language: tlh", "User-Agent: evil"],
        ["Cache-Control: no-cache, max-age=0", "Pragma: no-cache"],
    ],
)
def test_nothing_that_a_client_adds_bends_what_all_get(world: World, way: Way, bent: list[str]) -> None:
    """The first to ask for an asset adds headers; upstream sees none of them, and everybody gets the same bytes."""
    path, body = f"/{way}/{abs(hash(tuple(bent)))}.whl", b"the same for all"
    world.upstream.route(path, body)
    added = [word for line in bent for word in ("--header", line)]
    first = ask(world.proxy, way, f"https://assets.example{path}", *added)
    again = ask(world.proxy, way, f"https://assets.example{path}")
    assert (first.body, again.body) == (body, body)
    assert "hit" in header(again, "Cache-Status")
    sent = {name.lower() for request in world.upstream.requests if request.target == path for name, _ in request.headers}
    assert not {line.partition(":")[0].lower() for line in bent} - {"accept-encoding", "user-agent", "connection"} & sent


def test_a_body_under_a_get_is_read_and_bends_nothing(world: World, way: Way) -> None:
    """What a body holds is no part of the key, and is not taken for a second request."""
    world.upstream.route(f"/{way}/fat", b"lean")
    with secure(world.proxy, way, "assets.example") as connection:
        inner = f"GET /{way}/inner HTTP/1.1\r\nHost: assets.example\r\n\r\n"
        head = f"GET /{way}/fat HTTP/1.1\r\nHost: assets.example\r\nConnection: close\r\nContent-Length: {len(inner)}\r\n\r\n"
        connection.sendall((head + inner).encode())
        answer = everything(connection)
    assert answer.endswith(b"lean")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert world.upstream.count(f"/{way}/inner") == 0


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/a%2f..%2fb", "/a%00b", "/a%5c..%5cb", "/%252e%252e/x",
        "/" + "x" * 10_000, "/\u00e4\u20ac", "/a//b", "/a/./b", "/..%00/", "/%c0%ae%c0%ae/",
    ],
)  # fmt: skip
def test_no_path_names_a_file(world: World, way: Way, path: str) -> None:
    """Whatever a path says, content lies under its digest, and nothing appears beside the store."""
    beside = sorted(world.proxy.store.parent.rglob("*passwd*"))
    with secure(world.proxy, way, "assets.example") as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: assets.example\r\nConnection: close\r\n\r\n".encode())
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 "), answer[:100]
    assert int(answer[9:12]) in (400, 403, 404, 414, 502), answer[:100]
    blobs = [file for file in (world.proxy.store / "blobs").rglob("*") if file.is_file()]
    assert all(len(file.name) == 64 and not set(file.name) - set("0123456789abcdef") for file in blobs)
    assert sorted(world.proxy.store.parent.rglob("*passwd*")) == beside


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: xchunked", "Transfer-Encoding : chunked", "Transfer-Encoding:\x0bchunked", "Content-Length: +5",
        "Content-Length: 5, 5", "Content-Length: 0x5", "Content-Length: 5\r\nContent-Length: 6", " Content-Length: 5",
        "Transfer-Encoding: chunked, identity", "X: y\nContent-Length: 5",
    ],
)  # fmt: skip
def test_a_body_whose_end_can_be_read_in_two_ways_is_refused(world: World, way: Way, framing: str) -> None:
    """One answer with 400, the connection ends, and the request behind it reaches nobody."""
    hidden = f"/{way}/smuggled"
    with secure(world.proxy, way, "assets.example") as connection:
        body = f"0\r\n\r\nGET {hidden} HTTP/1.1\r\nHost: assets.example\r\n\r\n"
        connection.sendall(f"POST /{way}/x HTTP/1.1\r\nHost: assets.example\r\n{framing}\r\n\r\n{body}".encode("latin-1"))
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert world.upstream.count(hidden) == 0


@pytest.mark.parametrize(
    "host", ["evil.example", "assets.example@evil.example", "assets.example:444", "assets.example evil.example", ""]
)
def test_a_host_that_is_not_the_connections_is_misdirected(world: World, way: Way, host: str) -> None:
    """Host must be the host whose certificate was shown; 421 or 400, and nobody is asked."""
    with secure(world.proxy, way, "assets.example") as connection:
        connection.sendall(f"GET /{way}/host HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = everything(connection)
    assert answer[9:12] in (b"421", b"400"), answer[:100]


@pytest.mark.parametrize(
    "target", [":8443/x", ".example/x", "@evil.example/x", "x", "*", "http://assets.example/x", "?q", "//"]
)
@pytest.mark.fault("42", path="miss")
def test_a_target_that_is_no_path_becomes_no_part_of_the_host(world: World, way: Way, target: str) -> None:
    """What stands behind the host in a URL could be its port, or the end of another name: 400, and nobody is asked."""
    before = world.proxy.stats()["upstream_connections"]
    with secure(world.proxy, way, "assets.example") as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: assets.example\r\nConnection: close\r\n\r\n".encode())
        answer = everything(connection)
    if target == "//":  # a path, as strange as it is
        assert answer.startswith(b"HTTP/1.1 404 ")
    else:
        assert answer.startswith(b"HTTP/1.1 400 "), answer[:100]
        assert world.proxy.stats()["upstream_connections"] == before


@pytest.mark.parametrize("preface", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x00" * 64, b"GET / HTTP/3.7\r\n\r\n"])
def test_another_protocol_inside_is_refused(world: World, way: Way, preface: bytes) -> None:
    """HTTP/2 without being asked for, and noise, get one answer or none."""
    with secure(world.proxy, way, "assets.example") as connection:
        connection.sendall(preface)
        connection.settimeout(3)
        try:
            answer = everything(connection)
        except (TimeoutError, ConnectionError):
            answer = b""
    assert answer == b"" or answer[9:12] in (b"400", b"505"), answer[:100]
