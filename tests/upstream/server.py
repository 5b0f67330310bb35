"""A small HTTP/1.1 server on raw sockets, in a thread of its own, that can break every rule on request."""

import asyncio
import contextlib
import socket
import ssl
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from tests.upstream.exchange import Exchange
from tests.upstream.faults import ANSWERS
from tests.upstream.log import Handshake, Log
from tests.upstream.pki import Authority
from tests.upstream.resource import Resource
from tests.upstream.wire import HEAD_LIMIT, Request, read_request

HANDSHAKE_SECONDS = 10.0
STOP_SECONDS = 10.0

# Finds what is asked for, and how often it has been asked for, this time included; None is a 404.
type Find = Callable[[Request], tuple[Resource, int] | None]

NOT_FOUND = Resource(b"not found\n", status=404, content_type="text/plain")


@dataclass(frozen=True)
class Certificates:
    """What a TLS listener shows: leaves of `authority` for `names`, or for any name where that is None."""

    authority: Authority
    names: tuple[str, ...] | None
    default: str


@dataclass(frozen=True)
class Listener:
    """A bound, listening socket, and the certificates where it speaks TLS."""

    socket: socket.socket
    certificates: Certificates | None


def listen(address: str, port: int, certificates: Certificates | None) -> Listener:
    """Bind a listener; port 0 takes a free one."""
    bound = socket.create_server((address, port), backlog=512)
    bound.setblocking(False)
    return Listener(bound, certificates)


class Server:
    """Serves what `find` finds on all listeners until it is stopped."""

    def __init__(self, find: Find, listeners: tuple[Listener, ...], log: Log) -> None:
        self._find = find
        self._listeners = listeners
        self._log = log
        self._names: WeakKeyDictionary[ssl.SSLObject | ssl.SSLSocket, str] = WeakKeyDictionary()
        self._shaking: set[socket.socket] = set()
        self._answering: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Close every socket, also those in use, and end the thread."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            raise TimeoutError(f"the upstream did not stop within {STOP_SECONDS} s")

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        for listener in self._listeners:
            context = None
            if (shown := listener.certificates) is not None:
                context = shown.authority.by_name(shown.names, shown.default, self._names.__setitem__)
            self._loop.add_reader(listener.socket, self._accept, listener.socket, context)
        await self._stopping.wait()
        for listener in self._listeners:
            self._loop.remove_reader(listener.socket)
            listener.socket.close()
        await self._end_handshakes()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._loop.shutdown_default_executor()

    async def _end_handshakes(self) -> None:
        """Have handshakes fail: asyncio leaves the transport of one that is cancelled before it began open for ever."""
        deadline = self._loop.time() + STOP_SECONDS / 2
        while self._shaking and self._loop.time() < deadline:
            for connection in self._shaking:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            await asyncio.sleep(0.001)

    def _accept(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:  # it left already
            return
        connection.setblocking(False)
        self._shaking.add(connection)  # from here on: a task that is cancelled before it began would close nothing
        task = asyncio.create_task(self._guard(connection, context, self._log.connected()))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _guard(self, connection: socket.socket, context: ssl.SSLContext | None, number: int) -> None:
        try:
            await self._converse(connection, context, number)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, TimeoutError):
            pass  # the client went away: what its test is about
        except Exception:  # noqa: BLE001 - the outermost edge: the test fails with it, in Upstream.__exit__
            self._log.failed(traceback.format_exc())

    async def _converse(self, connection: socket.socket, context: ssl.SSLContext | None, number: int) -> None:
        reader = asyncio.StreamReader(limit=HEAD_LIMIT)
        protocol = asyncio.StreamReaderProtocol(reader)
        deadline = HANDSHAKE_SECONDS if context else None
        try:
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: protocol, connection, ssl=context, ssl_handshake_timeout=deadline
            )
        except (OSError, ssl.SSLError) as error:
            self._log.shook_hands(Handshake(number, None, str(error)))
            connection.close()
            return
        finally:
            self._shaking.discard(connection)
        writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
        name = None
        if context is not None:
            name = self._names.get(transport.get_extra_info("ssl_object"))
            self._log.shook_hands(Handshake(number, name, None))
        try:
            while await self._answer(reader, writer, number, name):
                pass
            writer.close()
            await writer.wait_closed()
        finally:
            transport.abort()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, name: str | None) -> bool:
        request = await read_request(reader, number, name)
        if request is None:
            return False
        self._log.requested(request)
        resource, nth = self._find(request) or (NOT_FOUND, 1)
        return await ANSWERS[resource.behaviour](Exchange(request, resource, nth, reader, writer))
