"""Where the front reads a head, a parser of somebody else's reads the same: no request means two things on its way."""

import h11
from drydock_proxy.front.heads import MalformedError, read
from hypothesis import given, settings
from hypothesis import strategies as st

TOKENS = st.text("abcXYZ-_!~09", min_size=1, max_size=8)
NAMES = st.one_of(
    TOKENS, st.sampled_from(["Host", "host", "Content-Length", "Transfer-Encoding", "Connection", "Content-Length ", ""])
)
VALUES = st.one_of(
    st.text(st.characters(codec="latin-1"), max_size=12),
    st.sampled_from(
        ["assets.example", "5", "0", "+5", "5,5", "chunked", "identity", "chunked, chunked", "close", "\tx ", "a\nb", "a\r"]
    ),
)
LINES = st.lists(st.tuples(NAMES, st.sampled_from([": ", ":", " : ", ":\t"]), VALUES), max_size=5)
TARGETS = st.one_of(st.sampled_from(["/", "/a%20b", "*", "https://assets.example/x", "/a b", ""]), st.text(max_size=8))
METHODS = st.one_of(st.sampled_from(["GET", "HEAD", "POST", "get", "CONNECT", "G ET", ""]), TOKENS)


def by_h11(data: bytes) -> tuple[bytes, bytes, list[tuple[bytes, bytes]], int | None]:
    """Return method, target, fields and length as h11 reads them; it raises RemoteProtocolError for what is no request."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    event = connection.next_event()
    assert isinstance(event, h11.Request), event
    fields = [(bytes(name), bytes(value)) for name, value in event.headers]
    lengths = [int(value) for name, value in fields if name == b"content-length"]
    chunked = any(name == b"transfer-encoding" for name, _ in fields)
    return event.method, event.target, fields, None if chunked else (lengths or [0])[0]


@settings(max_examples=1500, deadline=None)
@given(METHODS, TARGETS, st.sampled_from(["HTTP/1.1", "HTTP/1.0"]), LINES)
def test_a_head_that_the_front_takes_is_read_alike_by_h11(
    method: str, target: str, version: str, lines: list[tuple[str, str, str]]
) -> None:
    """Method, target, fields and the length of the body agree, for every head that has a Host and is taken."""
    text = f"{method} {target} {version}\r\nHost: assets.example\r\n" + "".join("".join(line) + "\r\n" for line in lines)
    data = text.encode("utf-8", "surrogatepass")
    try:
        head = read(data.removesuffix(b"\r\n"))
    except MalformedError:
        return
    try:
        theirs = by_h11(data + b"\r\n")
    except h11.RemoteProtocolError:
        # stricter than we are is safe: the relay frames with h11, which then refuses
        return
    ours = (
        head.method.encode(),
        head.target.encode("utf-8", "surrogateescape"),
        [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in head.fields],
        head.length,
    )
    assert ours == theirs
