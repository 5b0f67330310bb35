"""TLS towards upstream: what one read of the connection brought is decrypted at once, however many records it was.

httpcore's own stream gives one record of at most 16 KiB a call, and everything above it runs once for each.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from typing import Any, Self

import httpcore

_RECORD = 16 << 10
# What a connection is read in, encrypted or not. httpcore asks for less, and takes whatever it is given.
READ_SIZE = 256 << 10


class TlsStream(httpcore.AsyncNetworkStream):
    """A connection with TLS on it, over one that carries bytes: TCP, or TLS with a proxy."""

    def __init__(self, below: httpcore.AsyncNetworkStream, context: ssl.SSLContext, name: str | None) -> None:
        self._below = below
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._failure: ssl.SSLError | None = None
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
                data, ended = self._decrypt()
                await self._flush(timeout)  # what TLS itself has to answer, such as a change of keys
                if data or ended:
                    return data
                await self._receive(max(max_bytes, READ_SIZE), timeout)

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
        return self._tls if info == "ssl_object" else self._below.get_extra_info(info)

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
        data = await self._below.read(count, seconds)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _decrypt(self) -> tuple[bytes, bool]:
        """Return everything that can be decrypted by now, and whether nothing will follow."""
        if self._failure is not None:  # OpenSSL itself would say from now on that this is the end
            raise self._failure
        pieces = []
        try:
            while piece := self._tls.read(_RECORD):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            return b"".join(pieces), False
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            pass  # without a farewell, as many servers end: whether something is missing is HTTP's to say
        except ssl.SSLError as error:
            self._failure = error  # for the next call: what was right before it is passed on
            if not pieces:
                raise
            return b"".join(pieces), False
        return b"".join(pieces), True

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
