"""TLS towards upstream: what one read of the connection brought is decrypted at once, however many records it was.

httpcore's own stream gives one record of at most 16 KiB a call, and everything above it runs once for each.
"""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from typing import Any, Self

import httpcore

from drydock_cache.tcp_stream import READ_SIZE, TcpStream

_RECORD = 16 << 10
# How much is decrypted before it is passed on, where it comes that fast; and what counts as that fast.
_MOST = 512 << 10
_FAST = 64 << 10


class _Buffers(threading.local):
    """What one loop reads into, for all its connections: each empties them before another task runs."""

    def __init__(self) -> None:
        self.received = memoryview(bytearray(READ_SIZE))
        self.decrypted = memoryview(bytearray(_MOST))


_buffers = _Buffers()


class TlsStream(httpcore.AsyncNetworkStream):
    """A connection with TLS on it, over one that carries bytes: TCP, or TLS with a proxy."""

    def __init__(self, below: httpcore.AsyncNetworkStream, context: ssl.SSLContext, name: str | None) -> None:
        self._below = below
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._failure: ssl.SSLError | httpcore.ReadError | None = None
        self._is_fast = False
        # two tasks that read and write at once must not mix up the order of records
        self._sending = asyncio.Lock()

    @classmethod
    async def begin(
        cls,
        below: httpcore.AsyncNetworkStream,
        context: ssl.SSLContext,
        name: str | None,
        seconds: float | None,
    ) -> Self:
        """Shake hands on `below`; raise httpcore.ConnectError or ConnectTimeout."""
        stream = cls(below, context, name)
        try:
            async with asyncio.timeout(seconds):
                await stream._shake_hands()
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except (ssl.SSLError, ssl.CertificateError, httpcore.ReadError, httpcore.WriteError) as error:
            raise httpcore.ConnectError(str(error)) from error
        return stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - the signature is httpcore's
        """Return what is there, and more than `max_bytes` where one read of the connection brought more; nothing at the end."""
        with _broken(httpcore.ReadError):
            while True:
                buffer = _buffers.decrypted
                size, ended = self._decrypt(buffer, eager=self._is_fast)
                data = bytes(buffer[:size])
                await self._flush(timeout)  # what TLS itself has to answer, such as a change of keys
                if data or ended:
                    return data
                await self._receive(max(max_bytes, READ_SIZE), timeout)

    def read_at_once(self, buffer: memoryview) -> int | None:
        """Decrypt what is there without waiting: the number of bytes, 0 at the end, None when there is nothing.

        For a thread, while no task reads; the buffer holds a record at least. Raise httpcore.ReadError.
        """
        with _broken(httpcore.ReadError):
            size, ended = self._decrypt(buffer, eager=True)
        return size if size or ended else None

    def fileno(self) -> int:
        """Return the descriptor of the connection, -1 where there is none to read at once."""
        return self._below.fileno() if isinstance(self._below, TcpStream) else -1

    @property
    def owes_answer(self) -> bool:
        """Whether TLS itself has something to say, which a thread must leave to the loop."""
        return bool(self._outgoing.pending)

    async def answer(self) -> None:
        """Send what TLS itself has to say; raise httpcore.WriteError."""
        await self._flush(None)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the signature is httpcore's
        if buffer:
            with _broken(httpcore.WriteError):
                self._tls.write(buffer)
                await self._flush(timeout)

    async def aclose(self) -> None:
        await self._below.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
    ) -> httpcore.AsyncNetworkStream:
        return await TlsStream.begin(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        match info:
            case "stream":  # itself, for whoever reads past what is around it
                return self
            case "ssl_object":
                return self._tls
            case "is_readable" if self._incoming.pending or self._tls.pending():  # received, whoever sent it and for what
                return True
        return self._below.get_extra_info(info)

    async def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush(None)
                await self._receive(READ_SIZE, None)
            except ssl.SSLError:
                with contextlib.suppress(httpcore.WriteError):  # the alert that says what was wrong
                    await self._flush(None)
                raise
            else:
                await self._flush(None)
                return

    async def _receive(self, count: int, seconds: float | None) -> None:
        data: bytes | memoryview
        if isinstance(self._below, TcpStream):
            buffer = _buffers.received
            data = buffer[: await self._below.read_into(buffer, seconds)]
        else:
            data = await self._below.read(count, seconds)
        self._take(data)

    def _receive_at_once(self) -> bool:
        """Take what came meanwhile; say whether there was anything."""
        if not isinstance(self._below, TcpStream):
            return False
        buffer = _buffers.received
        count = self._below.read_at_once(buffer)
        if count is None:
            return False
        self._take(buffer[:count])
        return True

    def _take(self, data: bytes | memoryview) -> None:
        self._is_fast = len(data) >= _FAST
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _decrypt(self, buffer: memoryview, *, eager: bool) -> tuple[int, bool]:
        """Fill the buffer with what can be decrypted by now, return how far, and whether nothing will follow.

        Nothing without an end means that more must be received first; `eager`, that is tried here.
        """
        if self._failure is not None:  # OpenSSL and the kernel would say from now on that this is the end
            raise self._failure
        size, ended = 0, False
        more = max(len(buffer) // READ_SIZE, 1)  # times: what is received need not be content
        try:
            while size <= len(buffer) - _RECORD and not ended:
                try:
                    count: int = self._tls.read(_RECORD, buffer[size:])  # type: ignore[assignment]  # bytes without a buffer alone
                    size, ended = size + count, not count
                except ssl.SSLWantReadError:
                    if not (eager and more and self._receive_at_once()):
                        break
                    more -= 1
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            ended = True  # without a farewell, as many servers end: whether something is missing is HTTP's to say
        except (ssl.SSLError, httpcore.ReadError) as error:
            self._failure = error  # for the next call: what was right before it is passed on
            if not size:
                raise
        return size, ended

    async def _flush(self, seconds: float | None) -> None:
        if not self._outgoing.pending:
            return
        async with self._sending:
            if data := self._outgoing.read():
                await self._below.write(data, seconds)


@contextlib.contextmanager
def _broken(kind: type[httpcore.ReadError] | type[httpcore.WriteError]) -> Iterator[None]:
    """Turn errors of TLS in the middle of a connection into those of the connection."""
    try:
        yield
    except ssl.SSLError as error:
        raise kind(str(error)) from error
