"""Limiting idle connections: those that wait for nothing are closed, the longest idle first, before descriptors run out.

A client may hold a connection open as long as it likes while there is room, between requests or in the middle of a head. When
too many do, a new client is worth more than the one that has been silent longest.
"""

import resource
from collections.abc import Callable

from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.proxy import server_hooks

# A connection that is served needs descriptors towards the origin, of a blob and towards upstream as well.
_DESCRIPTORS_EACH = 4
DESCRIPTORS_KEPT = 64
_MOST = 1024


def idle_limit(descriptors: int) -> int:
    """Return how many idle connections may be held by a process with that many descriptors."""
    return min(max((descriptors - DESCRIPTORS_KEPT) // _DESCRIPTORS_EACH, 16), _MOST)


class LimitIdle:
    """Counts connections as idle from their start to their first whole head, and between requests; tunnels are never idle."""

    def __init__(self, drop: Callable[[str], None], limit: int | None = None) -> None:
        self._drop = drop
        self._limit = limit or idle_limit(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self._idle: dict[str, str] = {}  # client ids with their addresses, the longest idle first

    def client_connected(self, client: Client) -> None:
        """Count a new connection, and close the longest idle ones when they are too many."""
        if client.transport_protocol != "tcp":
            return
        self._idle[client.id] = client.peername[0]
        while len(self._idle) > self._limit:
            self.drop_longest()

    def drop_longest(self, address: str = "") -> str | None:
        """Close the connection that is idle longest, of one client where its address is given; return its id, or None."""
        longest = next((one for one, of in self._idle.items() if address in ("", of)), None)
        if longest is not None:
            del self._idle[longest]
            self._drop(longest)
        return longest

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Stop counting: the client asked for something."""
        self._idle.pop(flow.client_conn.id, None)

    def response(self, flow: http.HTTPFlow) -> None:
        """Count again: the client has its answer."""
        self._rest(flow.client_conn)

    def error(self, flow: http.HTTPFlow) -> None:
        """Count again: the client has no answer to wait for."""
        self._rest(flow.client_conn)

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Stop counting: a tunnel stands."""
        self._idle.pop(data.client.id, None)

    def client_disconnected(self, client: Client) -> None:
        """Forget a connection."""
        self._idle.pop(client.id, None)

    def _rest(self, client: Client) -> None:
        if client.timestamp_end is None:
            self._idle[client.id] = client.peername[0]
