"""Connections to the status port: few at once, none for long, and none from networks that are not served.

The HTTP server behind it waits for a head as long as a client likes, and takes as many connections as there are descriptors.
"""

import asyncio
from collections.abc import Callable

from aiohttp import web

from drydock_proxy.wire import error_of

MOST = 64
LONGEST_SECONDS = 60.0
_FAREWELL_SECONDS = 1.0


class StatusConnections:
    """Makes the protocols of a listening socket: call it for each connection that is accepted."""

    def __init__(self, serve: Callable[[], web.RequestHandler], admits: Callable[[str], bool]) -> None:
        self._serve = serve
        self._admits = admits
        self._open: dict[_StatusConnection, None] = {}  # the oldest first

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of a new connection."""
        return _StatusConnection(self._serve(), self)

    def opened(self, connection: "_StatusConnection", address: str) -> bool:
        """Say whether a client is served; the oldest connection goes for a new one too many: answers take milliseconds."""
        if len(self._open) >= MOST:
            next(iter(self._open)).end()
        self._open[connection] = None
        return self._admits(address)

    def closed(self, connection: "_StatusConnection") -> None:
        """Forget a connection."""
        self._open.pop(connection, None)


class _StatusConnection(asyncio.Protocol):
    """One connection, handed through to the HTTP server."""

    def __init__(self, handler: web.RequestHandler, all_of_them: StatusConnections) -> None:
        self._handler = handler
        self._all = all_of_them
        self._transport: asyncio.Transport | None = None
        self._late: asyncio.TimerHandle | None = None
        self._serves = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        address = str(transport.get_extra_info("peername")[0])
        self._serves = self._all.opened(self, address)
        seconds = LONGEST_SECONDS if self._serves else _FAREWELL_SECONDS
        self._late = asyncio.get_running_loop().call_later(seconds, self.end)
        if self._serves:
            self._handler.connection_made(transport)
            return
        reason, mend = f"drydock does not serve the network of {address}.", f"Start the proxy with --allow-client {address}"
        transport.write(error_of(403, "", reason, mend, "refused"))
        transport.write_eof()

    def end(self) -> None:
        """Close the connection, whatever the client does."""
        self._all.closed(self)
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._serves:
            self._handler.data_received(data)

    def eof_received(self) -> None:
        if self._serves:
            self._handler.eof_received()

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._all.closed(self)
        if self._late is not None:
            self._late.cancel()
        if self._serves:
            self._handler.connection_lost(exc)
