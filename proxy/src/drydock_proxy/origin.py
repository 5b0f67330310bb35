"""The origin: the loopback HTTP server to which mitmproxy hands every intercepted request, and which answers it."""

import asyncio
import hmac
import logging
import secrets
import time
from collections.abc import AsyncIterator

from aiohttp import web
from drydock_cache.answer import Answer, Request, from_error
from drydock_cache.errors import DrydockError
from drydock_cache.exchange import Exchange
from multidict import CIMultiDict

from drydock_proxy.journal import log_access, shown_url
from drydock_proxy.tally import Tally

_log = logging.getLogger(__name__)

# Headers between mitmproxy's side and the origin; the token keeps other local processes from posing as the former.
TOKEN, URL, CLIENT, REFUSAL = "drydock-token", "drydock-url", "drydock-client", "drydock-refusal"
_OURS = frozenset({TOKEN, URL, CLIENT, REFUSAL})
_CHUNK = 256 << 10
_MISDIRECTED = 421


class Origin:
    """A server on a loopback port of its own; `start` it, hand requests to `address` with `token`, `stop` it."""

    def __init__(self, exchange: Exchange, tally: Tally) -> None:
        self.token = secrets.token_urlsafe(24)
        self._exchange = exchange
        self._tally = tally
        self._runner = web.ServerRunner(
            web.Server(self._handle, access_log=None, max_line_size=64 << 10, max_field_size=64 << 10, keepalive_timeout=600)
        )
        self.address = ("127.0.0.1", 0)

    async def start(self) -> None:
        """Begin to listen; afterwards `address` is (host, port)."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.address = (str(host), int(port))

    async def stop(self) -> None:
        """Close the port and end what is under way."""
        await self._runner.cleanup()

    async def _handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        if not hmac.compare_digest(incoming.headers.get(TOKEN, ""), self.token):
            return web.Response(status=403, text="This port belongs to drydock itself.\n")
        started = time.monotonic()
        request = _request(incoming)
        answer = await self._answer(incoming, request)
        async with answer.cleanup:
            response = _head(answer, incoming.method)
            sent, cut = 0, ""
            try:
                await response.prepare(incoming)
                async for chunk in _chunks(answer.content):
                    await response.write(chunk)
                    sent += len(chunk)
            except DrydockError as error:
                cut = str(error)
            except (ConnectionError, asyncio.CancelledError):
                cut = "the client left"
                raise
            finally:
                self._note(incoming, answer, sent, cut, time.monotonic() - started)
            if cut:
                # an answer that ends here must not look complete: no last chunk, no proper end
                assert incoming.transport is not None
                incoming.transport.abort()
                raise ConnectionResetError(cut)
        return response

    async def _answer(self, incoming: web.BaseRequest, request: Request) -> Answer:
        if refusal := incoming.headers.get(REFUSAL):
            return from_error(_MISDIRECTED, request.url, refusal, "", ("fwd=bypass",), "misdirected")
        return await self._exchange.answer(request)

    def _note(self, incoming: web.BaseRequest, answer: Answer, sent: int, cut: str, seconds: float) -> None:
        self._tally.requests[answer.outcome] += 1
        self._tally.bytes_served += sent
        log_access(
            "request",
            client=incoming.headers.get(CLIENT),
            method=incoming.method,
            url=shown_url(incoming.headers.get(URL, "")),
            status=answer.status,
            outcome=answer.outcome,
            cache_status=answer.cache_status,
            bytes=sent,
            ms=round(seconds * 1000, 1),
            error=answer.error,
            cut=cut,
        )


def _request(incoming: web.BaseRequest) -> Request:
    headers = tuple((name.lower(), value) for name, value in incoming.headers.items() if name.lower() not in _OURS)
    content = incoming.content.iter_chunked(_CHUNK) if incoming.can_read_body else None
    return Request(incoming.method, incoming.headers.get(URL, ""), headers, content)


def _head(answer: Answer, method: str) -> web.StreamResponse:
    headers: CIMultiDict[str] = CIMultiDict(answer.headers)
    headers["Cache-Status"] = answer.cache_status
    headers.setdefault("Server", "drydock")
    if answer.length is not None:
        headers["Content-Length"] = str(answer.length)
    response = web.StreamResponse(status=answer.status, headers=headers)
    if answer.length is None and answer.status not in (204, 304) and method != "HEAD":
        response.enable_chunked_encoding()
    return response


async def _chunks(content: AsyncIterator[bytes] | bytes) -> AsyncIterator[bytes]:
    if isinstance(content, bytes):
        if content:
            yield content
        return
    async for chunk in content:
        yield chunk
