"""Opening the front: its ports, and everything that it serves with, started and stopped as one."""

import asyncio
import resource
import socket
from collections.abc import Callable

from drydock_cache.exchange import Exchange
from drydock_cache.policy import Policy
from drydock_cache.store import Store

from drydock_proxy.addons.limit_idle import idle_limit
from drydock_proxy.authority import Authority
from drydock_proxy.front.access import AccessLines
from drydock_proxy.front.connection import Port
from drydock_proxy.front.contexts import Contexts
from drydock_proxy.front.front import Front
from drydock_proxy.front.hits import Hits
from drydock_proxy.front.hot import HotResponses
from drydock_proxy.front.keeper import Keeper
from drydock_proxy.front.relaying import OriginWay
from drydock_proxy.front.serving import Serving
from drydock_proxy.front.watch import Readings, Watch
from drydock_proxy.interception import Interception, port_error
from drydock_proxy.listener import Listener
from drydock_proxy.origin import Origin
from drydock_proxy.tally import Tally

_BACKLOG = 1024
# What may wait unread on a connection: of changes of TLS keys, which cost most by the byte, a fifth of a second's work.
_RECEIVE_BUFFER = 256 << 10


class OpenFront:
    """The front on its two ports; `start` it, and afterwards `tls` and `proxy` are as really taken."""

    def __init__(self, tls: Listener, proxy: Listener) -> None:
        self.tls, self.proxy = tls, proxy
        self._sockets: dict[Port, socket.socket] = {}
        self._stops: list[Callable[[], None]] = []

    def is_listening(self) -> bool:
        """Tell whether both ports are open."""
        return bool(self._sockets)

    def start(
        self,
        policy: Policy,
        authority: Authority,
        exchange: Exchange,
        store: Store,
        origin: Origin,
        tally: Tally,
        admits: Callable[[str], bool],
        interception: Interception,
    ) -> None:
        """Open the ports and begin to accept; raise ConfigError, naming the option, for one that cannot be opened."""
        self._sockets = {Port.TLS: _listen(self.tls, "--tls-listen")}
        try:
            self._sockets[Port.PROXY] = _listen(self.proxy, "--listen")
        except BaseException:
            self._close_ports()
            raise
        self.tls, self.proxy = (Listener(*self._sockets[port].getsockname()[:2]) for port in (Port.TLS, Port.PROXY))
        loop = asyncio.get_running_loop()
        # what waits, and what is served besides, may be half of what there is room for; the rest is mitmproxy's
        most = idle_limit(resource.getrlimit(resource.RLIMIT_NOFILE)[0]) // 2
        lines, hot, way = AccessLines(), HotResponses(exchange, store), OriginWay(origin, readings := Readings())
        keeper = Keeper(most)
        hits = Hits(keeper, hot, tally, lines)
        serving = Serving(keeper, hot, hits, way)
        front = Front(
            policy,
            Contexts(authority),
            keeper,
            serving,
            tally,
            admits,
            lambda sock, port: _in_loop(loop, interception, sock, port),
            most * 2,
        )
        lines.start()
        front.start(self._sockets)
        watch = Watch(keeper.loop, readings, front.put_out)
        watch.start()
        self._stops = [watch.stop, keeper.stop, hits.stop, serving.stop, keeper.end, way.close, lines.stop, hot.close]

    async def stop(self) -> None:
        """Close the ports and every connection; ends within half a second whatever clients do."""
        if self._sockets:
            await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        for stop in self._stops:
            stop()
        self._close_ports()

    def _close_ports(self) -> None:
        for listener in self._sockets.values():
            listener.close()
        self._sockets = {}


def _in_loop(loop: asyncio.AbstractEventLoop, interception: Interception, sock: socket.socket, port: Port) -> None:
    try:
        loop.call_soon_threadsafe(interception.pass_on, sock, port)
    except RuntimeError:  # the loop has ended
        sock.close()


def _listen(listener: Listener, option: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    try:
        opened = socket.create_server((listener.host, listener.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise port_error(listener, option, error) from error
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)  # of those that are accepted, too
    return opened
