"""TCP connections below httpx that are read straight into the reader's buffer.

A transport of asyncio's reads on its own, into pieces that it makes, and is stopped and started again around each read: for a
large body that costs more than everything that is done with its bytes.
"""

import asyncio
import select
import socket
from collections.abc import Callable, Iterable
from typing import Any, Self

import httpcore

READ_SIZE = 256 << 10
"""What a connection is read in, encrypted or not. httpcore asks for less, and takes whatever it is given."""


class TcpStream(httpcore.AsyncNetworkStream):
    """A connection, read by one task at a time, and written by one."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._waiting: set[asyncio.Future[None]] = set()

    @classmethod
    async def connect(
        cls,
        address: str,
        port: int,
        seconds: float | None,
        local_address: str | None = None,
        options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> Self:
        """Connect to a numeric address; raise httpcore.ConnectError or ConnectTimeout."""
        sock = None
        try:
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for option in options or ():
                sock.setsockopt(*option)
            if local_address:
                sock.bind((local_address, 0))
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().sock_connect(sock, (address, port))
        except BaseException as error:
            if sock is not None:
                sock.close()
            if isinstance(error, TimeoutError) and not error.errno:
                raise httpcore.ConnectTimeout(str(error)) from error
            if isinstance(error, OSError):
                raise httpcore.ConnectError(str(error)) from error
            raise
        return cls(sock)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - the signature is httpcore's
        """Return what is there, and more than `max_bytes` where one read of the connection brought more; nothing at the end."""
        size = max(max_bytes, READ_SIZE)
        data: bytes = await self._received(lambda: self._sock.recv(size), timeout)
        return data

    async def read_into(self, buffer: memoryview, seconds: float | None) -> int:
        """Fill the buffer as far as one read does and return the number of bytes, 0 at the end.

        The last thing it does is to read: the buffer may be shared by tasks of one loop that empty it before they wait again.
        """
        count: int = await self._received(lambda: self._sock.recv_into(buffer), seconds)
        return count

    def fileno(self) -> int:
        """Return the descriptor, -1 once it is closed."""
        return self._sock.fileno()

    @property
    def owes_answer(self) -> bool:
        """TCP answers by itself."""
        return False

    async def answer(self) -> None:
        """Send nothing; what is below TLS has nothing to say."""

    def read_at_once(self, buffer: memoryview) -> int | None:
        """Read what is there without waiting: the number of bytes, 0 at the end, None when there is nothing; raise httpcore.ReadError."""
        try:
            return self._sock.recv_into(buffer)
        except BlockingIOError:
            return None
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the signature is httpcore's
        view = memoryview(buffer)
        try:
            while view:
                try:
                    view = view[self._sock.send(view) :]
                except BlockingIOError:
                    await self._wait(asyncio.get_running_loop().add_writer, asyncio.get_running_loop().remove_writer, timeout)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        """Close the connection; whoever waits on it learns that it is."""
        number = self._sock.fileno()
        if number >= 0:
            loop = asyncio.get_running_loop()
            loop.remove_reader(number)
            loop.remove_writer(number)
            self._sock.close()
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_exception(ConnectionAbortedError("the connection was closed"))

    def get_extra_info(self, info: str) -> Any:
        match info:
            case "stream":  # itself, for whoever reads past what is around it
                return self
            case "socket":
                return self._sock
            case "client_addr":
                return self._sock.getsockname()
            case "server_addr":
                return self._sock.getpeername()
            case "is_readable":
                return self._is_readable()
        return None

    def _is_readable(self) -> bool:
        """Tell whether something came, or the end, or whether the connection was closed."""
        if self._sock.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0))

    async def _received[T](self, receive: Callable[[], T], seconds: float | None) -> T:
        # an upstream that is always ahead must leave the loop to others, too
        await asyncio.sleep(0)
        try:
            while True:
                try:
                    return receive()
                except BlockingIOError:
                    await self._wait(asyncio.get_running_loop().add_reader, asyncio.get_running_loop().remove_reader, seconds)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    async def _wait(self, add: Callable[..., Any], remove: Callable[..., Any], seconds: float | None) -> None:
        """Wait until the socket is ready, by the loop's functions for that; raise TimeoutError, or OSError when it was closed."""
        ready = asyncio.get_running_loop().create_future()
        add(self._sock, _set, ready)
        self._waiting.add(ready)
        try:
            async with asyncio.timeout(seconds):
                await ready
        finally:
            self._waiting.discard(ready)
            if self._sock.fileno() >= 0:
                remove(self._sock)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
