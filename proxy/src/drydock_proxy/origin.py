"""The origin: the loopback HTTP server to which mitmproxy hands every intercepted request, and which answers it."""

import asyncio
import hmac
import logging
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from http.client import responses

from aiohttp import web
from drydock_cache.answer import Answer, Request, from_error, shareable
from drydock_cache.errors import DrydockError
from drydock_cache.exchange import Exchange
from drydock_cache.growing import Follower
from drydock_cache.interim import Interim, Tell
from drydock_cache.tap import Tap
from multidict import CIMultiDict

from drydock_proxy.journal import log_access
from drydock_proxy.record import Asked
from drydock_proxy.tally import Tally
from drydock_proxy.taps import Taps

_log = logging.getLogger(__name__)

# Headers between mitmproxy's side and the origin; the token keeps other local processes from posing as the former.
# `drydock-refusal` is `STATUS reason`. `drydock-tap` is a number of `Taps`, and comes back with the length of the content, or
# nothing where it is not known, when its bytes are to be read from there.
# `drydock-interim` says that responses of 1xx may be sent before the answer.
TOKEN, URL, CLIENT, REFUSAL, TAP = "drydock-token", "drydock-url", "drydock-client", "drydock-refusal", "drydock-tap"
INTERIM = "drydock-interim"
OURS = frozenset({TOKEN, URL, CLIENT, REFUSAL, TAP, INTERIM})
_CHUNK = 256 << 10
_STOP_SECONDS = 0.1


class Origin:
    """A server on a loopback port of its own; `start` it, hand requests to `address` with `token`, `stop` it."""

    def __init__(self, exchange: Exchange, tally: Tally) -> None:
        self.token = secrets.token_urlsafe(24)
        self.taps = Taps()
        self._exchange = exchange
        self._tally = tally
        server = web.Server(
            self._handle, access_log=None, max_line_size=64 << 10, max_field_size=64 << 10, keepalive_timeout=600
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=_STOP_SECONDS)
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
        if not hmac.compare_digest(incoming.headers.get(TOKEN, "").encode(errors="replace"), self.token.encode()):
            return web.Response(status=403, text="This port belongs to drydock itself.\n")
        started = time.monotonic()
        with _interims(incoming) as interim:
            answer = await self._answer(incoming, interim)
        number = incoming.headers.get(TAP, "")
        tap = _tap(answer) if number else None
        response = _head(answer, incoming.method) if tap is None else _head_of_tapped(answer)
        sending = _Sending()
        try:
            async with answer.cleanup:
                if tap is None:
                    await sending.send(incoming, response, answer)
                elif self.taps.leave(number, tap):
                    await sending.send_tapped(incoming, response, tap)
                else:
                    tap.close()
                    raise ConnectionResetError
        except DrydockError as error:
            sending.cut = str(error)
        except ConnectionError:
            sending.cut = "the client left"
        except asyncio.CancelledError:
            sending.cut = "drydock is stopping"
            raise
        except Exception as error:  # noqa: BLE001 - the edge of a request: the log gets the trace, the client an answer that is not whole
            _log.exception("an answer crashed", extra={"url": incoming.headers.get(URL, "")})
            sending.cut = f"drydock failed inside: {error!r}"
        finally:
            self._note(incoming, answer, sending, time.monotonic() - started)
        if sending.cut and tap is None and incoming.transport is not None:
            # an answer that ends here must not look complete: no last chunk, no proper end
            incoming.transport.abort()
        return response

    async def _answer(self, incoming: web.BaseRequest, interim: Tell | None) -> Answer:
        url = incoming.headers.get(URL, "")
        if refusal := incoming.headers.get(REFUSAL):
            status, _, reason = refusal.partition(" ")
            details = ("fwd=bypass", "detail=request")
            return from_error(int(status), url, reason, "", details, "misdirected" if status == "421" else "bad-request")
        headers = tuple((name.lower(), value) for name, value in incoming.headers.items() if name.lower() not in OURS)
        content = incoming.content.iter_chunked(_CHUNK) if incoming.can_read_body else None
        try:
            return await self._exchange.answer(Request(incoming.method, url, headers, content, interim))
        except (ConnectionError, web.RequestPayloadError):  # while upstream was given the content of the request
            return from_error(400, url, "The client left in the middle of its request.", "", ("fwd=bypass",), "client-left")
        except Exception as error:  # noqa: BLE001 - the edge of a request: an answer says so, the log gets the trace
            _log.exception("a request crashed", extra={"url": url})
            reason = f"drydock failed inside: {error!r}."
            return from_error(500, url, reason, "", ("fwd=bypass", "detail=internal"), "internal")

    def _note(self, incoming: web.BaseRequest, answer: Answer, sending: "_Sending", seconds: float) -> None:
        self._tally.note(
            Asked(
                method=incoming.method,
                url=incoming.headers.get(URL, ""),
                client=incoming.headers.get(CLIENT, ""),
                agent=incoming.headers.get("User-Agent", ""),
                status=answer.status,
                outcome=answer.outcome,
                details=answer.details,
                sent=sending.sent,
            )
        )
        log_access(
            "request",
            client=incoming.headers.get(CLIENT),
            method=incoming.method,
            url=incoming.headers.get(URL, ""),
            status=answer.status,
            outcome=answer.outcome,
            cache_status=answer.cache_status,
            bytes=sending.sent,
            ms=round(seconds * 1000, 1),
            error=answer.error,
            cut=sending.cut,
        )


class _Sending:
    """How far an answer has come: `sent` bytes of content, and why it was `cut`, if it was."""

    def __init__(self) -> None:
        self.sent = 0
        self.cut = ""

    async def send(self, incoming: web.BaseRequest, response: web.StreamResponse, answer: Answer) -> None:
        await response.prepare(incoming)
        if incoming.method == "HEAD":  # aiohttp would send what is written, and the next answer would begin with it
            return
        async with aclosing(_chunks(answer.content)) as chunks:
            async for chunk in chunks:
                await response.write(chunk)
                self.sent += len(chunk)
        await response.write_eof()

    async def send_tapped(self, incoming: web.BaseRequest, response: web.StreamResponse, tap: Tap) -> None:
        """Send the head alone, and wait until the thread that has the tap is done."""
        try:
            await response.prepare(incoming)
            await response.write_eof()
            self.cut = await tap.wait_closed()
        finally:
            self.sent = tap.sent


@contextmanager
def _interims(incoming: web.BaseRequest) -> Iterator[Tell | None]:
    """Yield what sends responses of 1xx to a client that takes them; afterwards it sends none: a head has begun."""
    if INTERIM not in incoming.headers:
        yield None
        return
    waiting = True

    def send(interim: Interim) -> None:
        if waiting and incoming.transport is not None:
            line = f"HTTP/1.1 {interim.status} {responses.get(interim.status, '')}"
            fields = [f"{name}: {value}\r\n" for name, value in shareable(interim.headers) if name != "content-length"]
            incoming.transport.write(f"{line}\r\n{''.join(fields)}\r\n".encode("latin-1"))

    try:
        yield send
    finally:
        waiting = False


def _tap(answer: Answer) -> Tap | None:
    """Return a tap for content that grows on disk; None means that it comes by way of the loop."""
    try:
        return Tap(answer.content) if isinstance(answer.content, Follower) else None
    except OSError:
        return None


def _head(answer: Answer, method: str) -> web.StreamResponse:
    headers = _fields(answer)
    if answer.length is not None:
        headers["Content-Length"] = str(answer.length)
    response = web.StreamResponse(status=answer.status, headers=headers)
    if answer.length is None and answer.status not in (204, 304) and method != "HEAD":
        response.enable_chunked_encoding()
    return response


def _head_of_tapped(answer: Answer) -> web.StreamResponse:
    headers = _fields(answer)
    headers["Content-Length"] = "0"
    headers[TAP] = "" if answer.length is None else str(answer.length)
    return web.StreamResponse(status=answer.status, headers=headers)


def _fields(answer: Answer) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict(answer.headers)
    headers.popall(TAP, None)  # upstream's word means nothing here
    headers["Cache-Status"] = answer.cache_status
    headers.setdefault("Server", "drydock")
    return headers


async def _chunks(content: AsyncIterator[bytes] | bytes) -> AsyncGenerator[bytes]:
    if isinstance(content, bytes):
        if content:
            yield content
        return
    try:
        async for chunk in content:
            yield chunk
    finally:
        if isinstance(content, AsyncGenerator):  # a follower that left must not be waited for
            await content.aclose()
