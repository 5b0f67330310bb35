"""mitmproxy with the few addons that are needed: started so that each port is known to be open, and stopped whole."""

import drydock_proxy.lean_imports  # noqa: F401, I001 - before everything that imports what it keeps small

import asyncio
import contextlib
import socket
from dataclasses import dataclass
from typing import Any

from drydock_cache.errors import ConfigError
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client
from mitmproxy.exceptions import OptionsError
from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.proxy.layers import DNSLayer
from mitmproxy.proxy.mode_servers import ServerInstance
from mitmproxy_rs.udp import UdpServer

from drydock_proxy.front.connection import Port
from drydock_proxy.listener import Listener

# `.invalid` (RFC 2606): the addons name every server themselves; were one missed, nothing would be found under this name.
# `tls` and not `https`, with which mitmproxy would listen for QUIC on the UDP port as well.
_TLS_MODE = "reverse:tls://refused.invalid:443"
_PROXY_MODE = "regular"
_DNS_MODE = "dns"
_MODES = {Port.TLS: _TLS_MODE, Port.PROXY: _PROXY_MODE}
_STOP_SECONDS = 0.5


class _Ready(asyncio.Event):
    """An addon that is set once mitmproxy has tried to open its ports."""

    def running(self) -> None:
        self.set()


class _CloseAll:
    """An addon that closes what belongs to a connection that has ended.

    mitmproxy 12.2.3 forgets to: a task that it cancels while it waits for its turn to handle what it has read leaves the
    socket open, and a client that was refused in the middle of a long message would wait for ever.
    """

    def __init__(self, proxies: Proxyserver) -> None:
        self._proxies = proxies

    def client_disconnected(self, client: Client) -> None:
        handler = self._proxies.connections.get(client.id)
        for transport in handler.transports.values() if handler else ():
            if transport.writer:
                transport.writer.close()


@dataclass(frozen=True)
class _Port:
    mode: str
    listener: Listener
    option: str


class Interception:
    """mitmproxy, which answers names and is given connections: `add` addons, `start`, then `dns` is as really taken."""

    def __init__(self, dns: Listener | None) -> None:
        self.dns = dns
        self._proxies = Proxyserver()
        self._ready = _Ready()
        self._master = Master(Options())
        self._master.addons.add(self._proxies, self._ready, _CloseAll(self._proxies))
        self._running: asyncio.Task[None] | None = None
        # never started: they have no port of their own, and handle what they are given
        self._takers: dict[Port, ServerInstance[Any]] = {
            port: ServerInstance.make(mode, self._proxies) for port, mode in _MODES.items()
        }
        self._taking: set[asyncio.Task[None]] = set()

    def add(self, *addons: object) -> None:
        """Add addons of ours behind those that are there."""
        self._master.addons.add(*addons)

    def is_listening(self) -> bool:
        """Tell whether every port is open."""
        return all(server.is_running for server in self._proxies.servers)

    def drop(self, client: str) -> None:
        """Close the connection of the client with that id."""
        handler = self._proxies.connections.get(client)
        transport = handler.transports.get(handler.client) if handler else None
        if transport and transport.handler:
            transport.handler.cancel("dropped")

    def forget_questions(self, client: str) -> None:
        """Let go of the names that the client with that id has asked for: each was answered at once."""
        if handler := self._proxies.connections.get(client):
            for layer in handler.layer.context.layers:
                if isinstance(layer, DNSLayer):
                    layer.flows.clear()

    async def take(self, sock: socket.socket, port: Port) -> None:
        """Handle a connection that was accepted at a port, and of which nothing was read, as if mitmproxy had accepted it."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        try:
            await loop.connect_accepted_socket(
                lambda: asyncio.StreamReaderProtocol(reader, self._takers[port].handle_stream, loop=loop), sock
            )
        except OSError:  # the client left meanwhile
            sock.close()

    def pass_on(self, sock: socket.socket, port: Port) -> None:
        """Have a connection taken; in the loop's thread."""
        task = asyncio.get_running_loop().create_task(self.take(sock, port), name="take a connection")
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def start(self) -> None:
        """Open the ports; raise ConfigError, naming the option, for one that cannot be."""
        ports = {f"{port.mode}@{port.listener}": port for port in self._ports()}
        try:
            self._master.options.update(
                mode=list(ports),
                connection_strategy="lazy",  # nothing is connected to before an addon has said where
                upstream_cert=False,
                http2=False,
                http3=False,
                keep_host_header=True,
                websocket=False,
                rawtcp=False,
            )
        except OptionsError as error:
            raise ConfigError(f"The proxy cannot listen like that: {error}.", "Give each listener a port of its own.") from None
        self._running = asyncio.create_task(self._master.run(), name="mitmproxy")
        ready = asyncio.create_task(self._ready.wait(), name="ports are open")
        await asyncio.wait({ready, self._running}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._running.done():
            self._running.result()
        for server in self._proxies.servers:
            if server.last_exception is not None:
                port = ports[server.mode.full_spec]
                raise port_error(port.listener, port.option, server.last_exception)
        found = {server.mode.type_name: Listener(*server.listen_addrs[0][:2]) for server in self._proxies.servers}
        self.dns = found.get("dns")

    async def stop(self) -> None:
        """Close the ports and every connection; ends within half a second whatever clients do."""
        if self._running is None:
            return
        self._master.shutdown()
        await asyncio.wait({self._running})
        udp = [one for server in self._proxies.servers for one in getattr(server, "_servers", ()) if isinstance(one, UdpServer)]
        for server in self._proxies.servers:
            if server.is_running:
                await server.stop()
        for client in tuple(self._proxies.connections):
            self.drop(str(client))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                # threads of mitmproxy_rs must have left the interpreter before it ends
                await asyncio.gather(*(one.wait_closed() for one in udp))
                while self._proxies.connections:  # noqa: ASYNC110 - mitmproxy tells nobody of the last one
                    await asyncio.sleep(0.01)

    def _ports(self) -> list[_Port]:
        wanted = [_Port(_DNS_MODE, self.dns, "--dns-listen")] if self.dns else []
        ports = []
        for port in wanted:
            try:
                ports.append(_Port(port.mode, port.listener.concrete(), port.option))
            except OSError as error:
                raise port_error(port.listener, port.option, error) from error
        return ports


def port_error(listener: Listener, option: str, error: BaseException) -> ConfigError:
    """Return the error for a port that cannot be listened on."""
    reason = str(getattr(error, "strerror", None) or error).splitlines()[0]
    return ConfigError(
        f"{listener} cannot be listened on: {reason}.",
        f"See what uses it with ss -ltnp 'sport = :{listener.port}', or choose another one with {option} ADDRESS:PORT.",
    )
