"""Repeats: requests that came before, byte for byte, whose head need not be read and judged again."""

from typing import NamedTuple

from drydock_proxy.front.connection import Connection, Port
from drydock_proxy.front.heads import END, SHORT, Head
from drydock_proxy.front.hot import Place

_MOST_WAYS = 64
_MOST_EACH = 256


class Repeat(NamedTuple):
    """A request that asks for the whole of what is at a place, and whose connection goes on."""

    head: Head
    place: Place


class Repeats:
    """What was judged of requests; for the loop's thread alone.

    The judgement of a head depends on the host, on where its client came in, and on whether it came under TLS: each such way
    has requests of its own, and a connection keeps those of its way at hand.
    """

    def __init__(self) -> None:
        self._ways: dict[tuple[str, Port, bool], dict[bytes, Repeat]] = {}

    def of(self, connection: Connection) -> dict[bytes, Repeat]:
        """Return the requests that came by this connection's way, by their bytes."""
        way = connection.host, connection.by, connection.tls
        known = self._ways.get(way)
        if known is None:
            if len(self._ways) >= _MOST_WAYS:
                del self._ways[next(iter(self._ways))]
            known = self._ways[way] = {}
        return known

    def remember(self, connection: Connection, raw: bytes, head: Head, place: Place) -> None:
        """Remember a request, given without its end, that was found to be a plain one."""
        if len(raw) > SHORT:
            return
        if len(connection.repeats) >= _MOST_EACH:
            connection.repeats.clear()
        connection.repeats[raw + END] = Repeat(head, place)
