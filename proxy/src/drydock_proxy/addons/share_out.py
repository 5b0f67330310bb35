"""Sharing out mitmproxy's connections: a client that opens tunnels without end leaves descriptors and room to others."""

import resource
from collections.abc import Callable

from mitmproxy.connection import Client

from drydock_proxy.addons.limit_idle import DESCRIPTORS_KEPT
from drydock_proxy.refusing import Refusing
from drydock_proxy.share import MAKE_ROOM, NO_ROOM, Share

# A tunnel has four: the client's, two between mitmproxy and the relay, and upstream's; as many again are the front's.
_DESCRIPTORS_EACH = 8
_MOST = 1024


def most_connections(descriptors: int) -> int:
    """Return how many connections mitmproxy may serve in a process with that many descriptors."""
    return min(max((descriptors - DESCRIPTORS_KEPT) // _DESCRIPTORS_EACH, 16), _MOST)


class ShareOut:
    """Closes idle connections to make room for new ones, of the same client where that has its share; else the new one."""

    def __init__(self, drop_longest: Callable[[str], str | None], most: int | None = None) -> None:
        self._drop_longest = drop_longest
        self._refusing = Refusing()
        self._share = Share(most or most_connections(resource.getrlimit(resource.RLIMIT_NOFILE)[0]))
        self._counted: dict[str, str] = {}  # client ids, with their addresses

    def client_connected(self, client: Client) -> None:
        """Count a connection, or mark it as failed; mitmproxy closes it then."""
        if client.transport_protocol != "tcp" or client.error:
            return
        address = client.peername[0]
        if self._share.take(address) or self._has_made_room(address):
            self._counted[client.id] = address
        else:
            client.error = NO_ROOM
            self._refusing.say(address, NO_ROOM, MAKE_ROOM)

    def client_disconnected(self, client: Client) -> None:
        """Give the place back."""
        self._gone(client.id)

    def _has_made_room(self, address: str) -> bool:
        dropped = self._drop_longest(address if self._share.is_used_up(address) else "")
        if dropped is None:
            return False
        self._gone(dropped)
        return self._share.take(address)

    def _gone(self, client: str) -> None:
        if address := self._counted.pop(client, None):
            self._share.give_back(address)
