"""Both ways in lead to the same answers: hits, misses, ranges, validation."""

import json
from pathlib import Path

import pytest

from tests.integration.conftest import World
from tests.integration.ways import Way, ask, header, reply, secure

BODY = bytes(range(256)) * 4096


def url(way: Way, path: str, host: str = "assets.example") -> str:
    """Return a URL that no other test, and no other way in, asks for."""
    return f"https://{host}/{way}/{path}"


def test_the_first_request_is_a_miss_and_the_second_a_hit(world: World, way: Way) -> None:
    """Upstream sees one request, and Cache-Status tells the two answers apart."""
    world.upstream.route(f"/{way}/twice", BODY)
    first, second = (ask(world.proxy, way, url(way, "twice")) for _ in range(2))
    assert (first.status, first.body, second.status, second.body) == (200, BODY, 200, BODY)
    assert header(first, "Cache-Status") == "drydock; fwd=uri-miss; fwd-status=200; stored"
    assert header(second, "Cache-Status") == "drydock; hit"
    assert world.upstream.count(f"/{way}/twice") == 1
    line = world.proxy.wait_for_line(lambda line: line.get("url") == url(way, "twice") and line["outcome"] == "hit")
    assert (line["event"], line["status"], line["bytes"], line["client"]) == ("request", 200, len(BODY), "127.0.0.1")


def test_what_came_by_one_way_is_a_hit_by_the_other(world: World) -> None:
    """The cache key is the URL, whichever way it was meant."""
    world.upstream.route("/crossed", BODY)
    assert ask(world.proxy, Way.SNI, "https://assets.example/crossed").body == BODY
    assert header(ask(world.proxy, Way.CONNECT, "https://ASSETS.example./crossed"), "Cache-Status") == "drydock; hit"
    assert world.upstream.count("/crossed") == 1


@pytest.mark.parametrize("stored", [False, True], ids=["miss", "hit"])
def test_a_range_is_cut_from_the_whole_which_is_stored(world: World, way: Way, stored: bool) -> None:
    """Range gives 206 with the right bytes on a miss and on a hit, and upstream is asked for the whole once."""
    path = f"/{way}/range-{stored}"
    world.upstream.route(path, BODY)
    target = f"https://assets.example{path}"
    if stored:
        ask(world.proxy, way, target)
    part = ask(world.proxy, way, target, "--range", "100-299")
    assert (part.status, part.body) == (206, BODY[100:300])
    assert header(part, "Content-Range") == f"bytes 100-299/{len(BODY)}"
    assert ask(world.proxy, way, target, "--range", "-5").body == BODY[-5:]
    beyond = ask(world.proxy, way, target, "--range", f"{len(BODY)}-")
    assert (beyond.status, header(beyond, "Content-Range")) == (416, f"bytes */{len(BODY)}")
    assert ask(world.proxy, way, target).body == BODY
    assert [request.header("range") for request in world.upstream.requests if request.path == path] == [None]


@pytest.mark.parametrize("stored", [False, True], ids=["miss", "hit"])
def test_head_tells_the_length_and_stores_the_whole(world: World, way: Way, stored: bool) -> None:
    """HEAD is answered without content, and the GET that follows is a hit."""
    path = f"/{way}/head-{stored}"
    world.upstream.route(path, BODY)
    target = f"https://assets.example{path}"
    if stored:
        ask(world.proxy, way, target)
    head = ask(world.proxy, way, target, "--head")
    assert (head.code, head.status, header(head, "Content-Length")) == (0, 200, str(len(BODY)))
    world.proxy.wait_for_line(lambda line: line.get("url") == target and line["method"] == "HEAD")
    assert ask(world.proxy, way, target).body == BODY
    assert world.upstream.count(path) == 1


def test_an_index_page_is_validated_when_it_is_stale_and_serves_304_itself(world: World, way: Way) -> None:
    """A stale page costs upstream a 304; a client that has it gets a 304; variants by Accept are kept apart."""
    path = f"/{way}/simple/"
    world.upstream.route(path, b"<html>", etag='"1"', cache_control="max-age=0", variants={"application/json": b"{}"})
    target = f"https://index.example{path}"
    assert ask(world.proxy, way, target).body == b"<html>"
    again = ask(world.proxy, way, target)
    assert (again.body, header(again, "Cache-Status")) == (b"<html>", "drydock; fwd=stale; fwd-status=304")
    assert ask(world.proxy, way, target, "--header", "Accept: application/json").body == b"{}"
    known = ask(world.proxy, way, target, "--header", 'If-None-Match: "1"')
    assert (known.status, known.body) == (304, b"")
    assert header(known, "Cache-Status").startswith("drydock; ")


def test_content_of_unknown_length_arrives_whole(world: World, way: Way) -> None:
    """A chunked upstream is passed on and stored; the hit knows the length."""
    world.upstream.route(f"/{way}/chunked", BODY, "chunked")
    assert ask(world.proxy, way, url(way, "chunked")).body == BODY
    hit = ask(world.proxy, way, url(way, "chunked"))
    assert (hit.body, header(hit, "Content-Length")) == (BODY, str(len(BODY)))


def test_one_connection_carries_many_requests(world: World, way: Way) -> None:
    """Connections to the proxy are kept alive between requests, whatever their answers were."""
    for name in ("one", "two"):
        world.upstream.route(f"/{way}/kept-{name}", name.encode())
    with secure(world.proxy, way, "assets.example") as connection:
        statuses = []
        for name in ("one", "none", "two", "one"):
            connection.sendall(f"GET /{way}/kept-{name} HTTP/1.1\r\nHost: assets.example\r\n\r\n".encode())
            answer = reply(connection)
            statuses.append((answer.status, len(answer.body)))
    assert statuses == [(200, 3), (404, 10), (200, 3), (200, 3)]


def test_a_request_with_content_is_passed_on(world: World, way: Way, tmp_path: Path) -> None:
    """POST reaches upstream with its content, is never stored, and says so."""
    content = tmp_path / "content"
    content.write_bytes(b"x" * 300_000)
    world.upstream.route(f"/{way}/post", b"taken")
    answer = ask(world.proxy, way, url(way, "post"), "--data-binary", f"@{content}")
    assert (answer.status, answer.body, header(answer, "Cache-Status")) == (
        200,
        b"taken",
        "drydock; fwd=method; fwd-status=200",
    )
    (request,) = [one for one in world.upstream.requests if one.path == f"/{way}/post"]
    assert (request.method, request.body) == ("POST", b"x" * 300_000)


@pytest.mark.fault("43", path="miss")
def test_a_personal_request_is_never_stored(world: World, way: Way) -> None:
    """What was asked for with Authorization is not given to the next client."""
    world.upstream.route(f"/{way}/mine", b"mine")
    for _ in range(2):
        answer = ask(world.proxy, way, url(way, "mine"), "--header", "Authorization: Bearer of-one-client")
        assert (answer.body, header(answer, "Cache-Status")) == (b"mine", "drydock; fwd=request; fwd-status=200")
    assert world.upstream.count(f"/{way}/mine") == 2
    assert "of-one-client" not in world.proxy.output()


@pytest.mark.fault("43", path="hit miss")
def test_what_a_client_sends_does_not_choose_what_all_get(world: World, way: Way) -> None:
    """Headers that an asset's key does not hold are not passed on to upstream."""
    world.upstream.route(f"/{way}/unkeyed", BODY)
    extra = [
        "--header",
        "X-Forwarded-Host: evil.example",
        "--header",
        "Accept-Encoding: br",
        "--header",
        "Drydock-Url: https://x/",
    ]
    assert ask(world.proxy, way, url(way, "unkeyed#fragment"), *extra).body == BODY
    (request,) = [one for one in world.upstream.requests if one.path == f"/{way}/unkeyed"]
    assert {"x-forwarded-host", "drydock-url", "drydock-token", "drydock-client"}.isdisjoint(
        name for name, _ in request.headers
    )
    assert request.header("accept-encoding") == "identity"
    hit = ask(world.proxy, way, url(way, "unkeyed"), *extra, "--header", "Cookie: a=b", "--header", "Authorization: Bearer x")
    assert (hit.body, header(hit, "Cache-Status")) == (BODY, "drydock; hit")


def test_every_error_has_a_body_that_says_what_and_how_to_mend_it(world: World, way: Way) -> None:
    """A path that the policy does not name is refused on a host that it does, as JSON with a Cache-Status."""
    refused = ask(world.proxy, way, "https://paths.example/other/file")
    assert refused.status == 403
    body = json.loads(refused.body)
    assert body["url"] == "https://paths.example/other/file"
    assert 'Add "paths.example/other/file" to `pin`' in body["mend"]
    assert header(refused, "Cache-Status") == "drydock; fwd=bypass; detail=policy"
    world.upstream.route("/only/this", b"this")
    assert ask(world.proxy, way, "https://paths.example/only/this").body == b"this"
