"""Heads of requests, read strictly: what can be read in two ways is no request."""

import re
from functools import lru_cache
from typing import NamedTuple

from drydock_proxy.meaning import MOST_FIELDS

type Fields = tuple[tuple[str, str], ...]

MOST_UNREAD = 64 << 10
"""Bytes that may come without a whole head."""

SHORT = 1 << 10
"""Bytes of a head that is remembered."""

END = b"\r\n\r\n"
"""What ends a head."""

_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([^\x00-\x20\x7f]+) (HTTP/[0-9]\.[0-9])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
_LENGTH = re.compile(r"[0-9]{1,18}")
_NEVER_HERE = frozenset({"authorization", "cookie", "expect", "upgrade", "transfer-encoding", "content-length"})
_SELECTING = frozenset({"range", "if-range", "if-none-match", "if-modified-since"})


class MalformedError(ValueError):
    """The head breaks the rules of HTTP/1.1; the text is the end of a sentence."""


class Head(NamedTuple):
    """A request's head: names in lower case, values as sent; `length` is the bytes of the body, None when it is chunked.

    `closes` says whether the client wants the connection to end after the answer.
    """

    method: str
    target: str
    version: str
    fields: Fields
    length: int | None
    names: frozenset[str]
    closes: bool

    def first(self, name: str) -> str | None:
        """Return the first value of a field, or None."""
        return next((value for field, value in self.fields if field == name), None)

    @property
    def may_be_a_hit(self) -> bool:
        """Whether the store may answer: a GET or HEAD without a body, a person behind it, or a wish beyond an answer."""
        return (
            self.method in ("GET", "HEAD")
            and self.version == "HTTP/1.1"
            and len(self.fields) <= MOST_FIELDS
            and self.names.isdisjoint(_NEVER_HERE)
        )

    @property
    def is_plain(self) -> bool:
        """Whether it asks for the whole, whatever the client has."""
        return self.method == "GET" and self.names.isdisjoint(_SELECTING)


def split(data: bytes) -> tuple[bytes, bytes] | None:
    """Return a whole head without its end, and what follows it; None while there is no end. Empty lines before it are no part."""
    data = data.lstrip(b"\r\n") if data[:1] in (b"\r", b"\n") else data
    end = data.find(END)
    return None if end < 0 else (data[:end], data[end + len(END) :])


def read(data: bytes) -> Head:
    """Read a head without its end; raise MalformedError. Clients repeat themselves, so what is short is remembered."""
    return _remembered(data) if len(data) <= SHORT else _read(data)


def _read(data: bytes) -> Head:
    first, *lines = data.split(b"\r\n")
    line = _LINE.fullmatch(first)
    if line is None:
        raise MalformedError("its first line is none of a request")
    fields = []
    for text in lines:
        field = _FIELD.fullmatch(text)
        if field is None:
            raise MalformedError("a header field is malformed")
        fields.append((field[1].decode("ascii").lower(), field[2].decode("utf-8", "surrogateescape")))
    names = frozenset(name for name, _ in fields)
    if len(names) < len(fields) and sum(name == "host" for name, _ in fields) > 1:
        raise MalformedError("it has more than one Host header")
    method, target, version = line[1].decode(), line[2].decode("utf-8", "surrogateescape"), line[3].decode()
    if method == "CONNECT":
        raise MalformedError("CONNECT has no place inside of a connection to a host")
    closes = any(name == "connection" and "close" in value.lower() for name, value in fields)
    return Head(method, target, version, tuple(fields), _length(fields, version), names, closes)


_remembered = lru_cache(maxsize=512)(_read)


def _length(fields: list[tuple[str, str]], version: str) -> int | None:
    lengths = [value for name, value in fields if name == "content-length"]
    codings = [value for name, value in fields if name == "transfer-encoding"]
    if codings:
        if lengths or version != "HTTP/1.1" or [coding.lower() for coding in codings] != ["chunked"]:
            raise MalformedError("where its body ends can be read in two ways")
        return None
    if not lengths:
        return 0
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise MalformedError("Content-Length is not one number")
    return int(lengths[0])
