"""How the front reads heads: strictly, and the same whatever pieces they come in."""

import pytest
from drydock_proxy.front import heads
from drydock_proxy.front.heads import MalformedError


def head(*lines: bytes, first: bytes = b"GET /a?b HTTP/1.1") -> bytes:
    """Return a head without its end."""
    return b"\r\n".join((first, *lines))


def test_a_head_is_read_as_it_was_sent() -> None:
    """Names come in lower case, values without the white space around them, repeated fields in their order."""
    found = heads.read(head(b"Host: a.example", b"X-One:  1\t", b"x-one:2", b"X-Empty:"))
    assert (found.method, found.target, found.version, found.length) == ("GET", "/a?b", "HTTP/1.1", 0)
    assert found.fields == (("host", "a.example"), ("x-one", "1"), ("x-one", "2"), ("x-empty", ""))


@pytest.mark.parametrize(
    "data",
    [
        head(first=b"GET /"),
        head(first=b"GET  / HTTP/1.1"),
        head(first=b"GET /a b HTTP/1.1"),
        head(first=b"GET /a\0 HTTP/1.1"),
        head(first=b"GET / HTTP/1.10"),
        head(first=b"G(T / HTTP/1.1"),
        head(first=b"CONNECT a.example:443 HTTP/1.1"),
        head(b"Host : a.example"),
        head(b" Host: a.example"),
        head(b"Host: a.example", b"\tfolded"),
        head(b"Host: a.example\nX-Other: 1"),
        head(b"X: a\0b"),
        head(b"X: a\rb"),
        head(b"No colon"),
        head(b": no name"),
        head(b"Host: a.example", b"Host: a.example"),
        head(b"Content-Length: 1", b"Content-Length: 1"),
        head(b"Content-Length: 1, 1"),
        head(b"Content-Length: +1"),
        head(b"Content-Length: 1_0"),
        head(b"Content-Length:"),
        head(b"Transfer-Encoding: chunked", b"Content-Length: 0"),
        head(b"Transfer-Encoding: gzip, chunked"),
        head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        head(b"Transfer-Encoding: xchunked"),
        head(b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.0"),
    ],
)
def test_what_can_be_read_in_two_ways_is_no_head(data: bytes) -> None:
    """Nothing is repaired: a proxy that guesses guesses otherwise than the next one."""
    with pytest.raises(MalformedError):
        heads.read(data)


def test_the_length_of_a_body_is_known_or_it_is_chunked() -> None:
    """None stands for chunks, in any case of letters."""
    assert heads.read(head(b"Content-Length: 12")).length == 12
    assert heads.read(head(b"Transfer-Encoding: Chunked")).length is None


@pytest.mark.parametrize(
    "field", [b"Authorization: x", b"Cookie: a=b", b"Expect: 100-continue", b"Upgrade: h2c", b"Content-Length: 1"]
)
def test_what_is_personal_or_more_than_a_question_is_left_to_the_origin(field: bytes) -> None:
    """Only a plain GET or HEAD may be a hit of the front."""
    assert heads.read(head(b"Host: a.example", b"Range: bytes=0-1")).may_be_a_hit
    assert not heads.read(head(b"Host: a.example", field)).may_be_a_hit
    assert not heads.read(head(first=b"GET / HTTP/1.0")).may_be_a_hit
    assert not heads.read(head(first=b"POST / HTTP/1.1")).may_be_a_hit


@pytest.mark.parametrize("field", [b"Range: bytes=0-1", b"If-None-Match: *", b"If-Modified-Since: x"])
def test_what_selects_a_part_is_not_plain(field: bytes) -> None:
    """The whole answer, made beforehand, is for those alone who want nothing else."""
    assert heads.read(head(b"Host: a.example", b"Accept: */*")).is_plain
    assert not heads.read(head(field)).is_plain
    assert not heads.read(head(first=b"HEAD / HTTP/1.1")).is_plain


def test_a_head_ends_where_it_says() -> None:
    """What follows is the next request's; empty lines before a request are passed over (RFC 9112 §2.2)."""
    assert heads.split(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next") == (b"GET / HTTP/1.1\r\nHost: a", b"GET /next")
    assert heads.split(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n") == (b"GET / HTTP/1.1", b"")
    for cut in (b"", b"\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r"):
        assert heads.split(cut) is None
