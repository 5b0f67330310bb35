"""The misbehaving upstream does what it is told, as curl sees it."""

from pathlib import Path

import pytest

from tests.upstream.curl import Answer, curl
from tests.upstream.resource import Behaviour, Gate
from tests.upstream.scripted import Upstream

BODY = bytes(range(256)) * 1024
TLS_FAILED = 35  # curl's exit codes from here on
TRANSFER_CLOSED = 18  # a body shorter than announced
RECEIVE_FAILED = 56
WEIRD_ANSWER = 8


def get(upstream: Upstream, tmp_path: Path, path: str, *arguments: str) -> Answer:
    """Fetch over verified TLS."""
    ca = upstream.write_ca(tmp_path / "upstream-ca.pem")
    name = upstream.names[0]
    resolve = ["--resolve", f"{name}:{upstream.port}:127.0.0.1", "--cacert", str(ca)]
    return curl(tmp_path, *resolve, *arguments, upstream.url(path))


def test_it_serves_over_tls_that_its_authority_vouches_for(upstream: Upstream, tmp_path: Path) -> None:
    upstream.route("/a", BODY, etag='"1"', cache_control="max-age=60")
    answer = get(upstream, tmp_path, "/a")
    assert (answer.code, answer.status, answer.body) == (0, 200, BODY)
    assert 'ETag: "1"\n' in answer.headers
    assert "Cache-Control: max-age=60\n" in answer.headers
    assert upstream.requests[0].server_name == "assets.example"
    assert upstream.count("/a") == upstream.connections == 1


def test_a_name_without_certificate_is_refused_and_counted(upstream: Upstream, tmp_path: Path) -> None:
    other = f"other.example:{upstream.port}"
    answer = curl(tmp_path, "--insecure", "--resolve", f"{other}:127.0.0.1", f"https://{other}/")
    assert answer.code == TLS_FAILED
    assert upstream.connections == 1
    upstream.wait_for_handshakes()
    assert upstream.log.handshakes[0].error is not None
    assert upstream.requests == []


def test_plain_http_is_there_too_and_an_unknown_path_is_a_404(upstream: Upstream, tmp_path: Path) -> None:
    assert curl(tmp_path, upstream.plain_url("/none")).status == 404


@pytest.mark.parametrize(
    ("behaviour", "code", "status", "length"),
    [
        ("cl_short", TRANSFER_CLOSED, 200, len(BODY) // 2),
        ("truncate_chunked", TRANSFER_CLOSED, 200, len(BODY) // 2),
        ("chunk_no_end", TRANSFER_CLOSED, 200, len(BODY)),
        ("reset_mid", RECEIVE_FAILED, 200, None),
        ("no_cl_close", 0, 200, len(BODY) // 2),
        ("chunked", 0, 200, len(BODY)),
        ("html403", 0, 403, None),
        ("status503", 0, 503, None),
        ("206_for_200", 0, 206, len(BODY) // 2),
        ("304_unconditional", 0, 304, 0),
        ("setcookie", 0, 200, len(BODY)),
        ("early_hint", 0, 200, len(BODY)),
        ("slow", 0, 200, len(BODY)),
        ("dup_cl", WEIRD_ANSWER, 200, None),
        ("nul_header", WEIRD_ANSWER, 200, None),
        ("cl_te", 0, 200, len(BODY)),
    ],
)
def test_each_behaviour_reaches_the_client(
    upstream: Upstream, tmp_path: Path, behaviour: str, code: int, status: int, length: int | None
) -> None:
    """Plain and TLS, curl sees the fault that the behaviour is named after."""
    upstream.route("/x", BODY, behaviour)
    for answer in (curl(tmp_path, upstream.plain_url("/x")), get(upstream, tmp_path, "/x")):
        assert (answer.code, answer.status) == (code, status), answer.error
        if length is not None:
            assert answer.body == BODY[:length]


def test_every_behaviour_has_an_answer() -> None:
    from tests.upstream.faults import ANSWERS

    assert set(ANSWERS) == set(Behaviour)


def test_what_happens_once_or_by_turns_follows_the_count(upstream: Upstream, tmp_path: Path) -> None:
    upstream.route("/wrong", BODY, "wrongbytes_once")
    first, second = (get(upstream, tmp_path, "/wrong").body for _ in range(2))
    assert first != BODY == second
    assert len(first) == len(BODY)
    upstream.route("/flap", BODY, "flap")
    assert [get(upstream, tmp_path, "/flap").status for _ in range(4)] == [503, 200, 503, 200]


@pytest.mark.parametrize(("limit", "behaviour"), [("--max-time", "stall_mid"), ("--max-filesize", "infinite")])
def test_what_never_ends_ends_only_with_the_client(upstream: Upstream, tmp_path: Path, limit: str, behaviour: str) -> None:
    upstream.route("/x", BODY, behaviour)
    value = {"--max-time": "1", "--max-filesize": str(4 << 20)}[limit]
    answer = curl(tmp_path, limit, value, upstream.plain_url("/x"))
    assert answer.code in (28, 63), answer.error


def test_big_and_many_headers_and_a_redirect_to_itself(upstream: Upstream, tmp_path: Path) -> None:
    upstream.route("/big", BODY, "bigheader")
    upstream.route("/many", BODY, "manyheaders")
    upstream.route("/loop", BODY, "redirect_loop")
    assert "grew larger than allowed" in curl(tmp_path, upstream.plain_url("/big")).error
    assert "X-Many-19999" not in curl(tmp_path, upstream.plain_url("/many")).headers  # curl reads 5,000 at most
    assert curl(tmp_path, "--location", "--max-redirs", "3", upstream.plain_url("/loop")).code == 47
    assert upstream.count("/loop") == 4


def test_validators_and_ranges_are_honoured(upstream: Upstream, tmp_path: Path) -> None:
    date = "Fri, 20 Nov 2026 10:00:00 GMT"
    upstream.route("/a", BODY, etag='"1"', last_modified=date)
    assert get(upstream, tmp_path, "/a", "--header", 'If-None-Match: "0", "1"').status == 304
    assert get(upstream, tmp_path, "/a", "--header", 'If-None-Match: "2"').status == 200
    assert get(upstream, tmp_path, "/a", "--header", f"If-Modified-Since: {date}").status == 304
    for asked, expected in {"0-9": BODY[:10], "10-": BODY[10:], "-7": BODY[-7:]}.items():
        part = get(upstream, tmp_path, "/a", "--range", asked)
        assert (part.status, part.body) == (206, expected)
    assert get(upstream, tmp_path, "/a", "--range", f"{len(BODY)}-").status == 416
    assert get(upstream, tmp_path, "/a", "--range", "0-9", "--header", 'If-Range: "2"').body == BODY
    head = get(upstream, tmp_path, "/a", "--head")
    assert f"Content-Length: {len(BODY)}\n" in head.headers


def test_variants_follow_accept(upstream: Upstream, tmp_path: Path) -> None:
    upstream.route("/simple/", b"<html>", content_type="text/html", variants={"application/json": b"{}"})
    assert get(upstream, tmp_path, "/simple/").body == b"<html>"
    asked = get(upstream, tmp_path, "/simple/", "--header", "Accept: application/json")
    assert asked.body == b"{}"
    assert "Vary: Accept\n" in asked.headers


def test_a_download_that_is_cut_off_can_be_resumed(upstream: Upstream, tmp_path: Path) -> None:
    upstream.route("/a", BODY, etag='"1"', cuts=(1000, None))
    first = get(upstream, tmp_path, "/a")
    assert (first.code, first.body) == (TRANSFER_CLOSED, BODY[:1000])
    assert get(upstream, tmp_path, "/a", "--range", "1000-").body == BODY[1000:]


def test_a_gate_holds_an_answer_until_it_is_opened(upstream: Upstream, tmp_path: Path) -> None:
    gate = Gate()
    upstream.route("/a", BODY, gate=gate)
    assert get(upstream, tmp_path, "/a", "--max-time", "1").code == 28
    gate.wait_reached()
    gate.open()
    assert get(upstream, tmp_path, "/a").body == BODY


def test_switched_off_it_refuses_and_comes_back_at_the_same_port(upstream: Upstream, tmp_path: Path) -> None:
    upstream.route("/a", BODY)
    port = upstream.port
    upstream.stop()
    assert get(upstream, tmp_path, "/a").code == 7
    upstream.start()
    assert upstream.port == port
    assert get(upstream, tmp_path, "/a").status == 200
