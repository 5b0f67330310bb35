"""Answers that break a rule or a hope, one function for each behaviour."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.upstream.exchange import Exchange
from tests.upstream.faithful import faithful, metadata
from tests.upstream.range_faults import RANGE_ANSWERS
from tests.upstream.resource import Behaviour

SLOW_PIECES = 20
SLOW_PAUSE = 0.05  # seconds
TRICKLE_PAUSE = 0.02
ENDLESS_CHUNK = bytes(1 << 16)

# An answer returns whether its connection may be used again.
type Answer = Callable[[Exchange], Awaitable[bool]]


def _half(exchange: Exchange) -> bytes:
    body = exchange.resource.body
    return body[: len(body) // 2]


async def _plain(exchange: Exchange, status: int, headers: list[tuple[str, str]], body: bytes) -> bool:
    await exchange.head(status, [*headers, ("Content-Length", str(len(body)))])
    await exchange.body(body)
    return True


async def _start_chunks(exchange: Exchange) -> None:
    await exchange.head(200, [("Content-Type", exchange.resource.content_type), ("Transfer-Encoding", "chunked")])


async def chunked(exchange: Exchange) -> bool:
    await _start_chunks(exchange)
    for part in (_half(exchange), exchange.resource.body[len(_half(exchange)) :]):
        if part:
            await exchange.chunk(part)
    await exchange.chunk(b"")
    return True


async def cl_short(exchange: Exchange) -> bool:
    await exchange.head(200, [("Content-Length", str(len(exchange.resource.body)))])
    await exchange.body(_half(exchange))
    return False


async def truncate_chunked(exchange: Exchange) -> bool:
    await _start_chunks(exchange)
    await exchange.send(b"%x\r\n" % len(exchange.resource.body) + _half(exchange))
    return False


async def chunk_no_end(exchange: Exchange) -> bool:
    await _start_chunks(exchange)
    await exchange.chunk(exchange.resource.body)
    return False


async def reset_mid(exchange: Exchange) -> bool:
    await exchange.head(200, [("Content-Length", str(len(exchange.resource.body)))])
    await exchange.body(_half(exchange))
    exchange.reset()
    return False


async def no_cl_close(exchange: Exchange) -> bool:
    await exchange.head(200, [("Connection", "close")])
    await exchange.body(_half(exchange))
    return False


async def html403(exchange: Exchange) -> bool:
    page = b"<!doctype html><title>Blocked</title><p>This address is not allowed here."
    return await _plain(exchange, 403, [("Content-Type", "text/html"), ("Cache-Control", "public, max-age=86400")], page)


async def html200(exchange: Exchange) -> bool:
    page = b"<!doctype html><title>Welcome</title><form>Log in to use this network.</form>"
    return await _plain(exchange, 200, [("Content-Type", "text/html; charset=utf-8")], page)


async def partial_for_200(exchange: Exchange) -> bool:
    part, whole = _half(exchange), len(exchange.resource.body)
    return await _plain(exchange, 206, [("Content-Range", f"bytes 0-{len(part) - 1}/{whole}")], part)


async def unconditional_304(exchange: Exchange) -> bool:
    await exchange.head(304, [("ETag", exchange.resource.etag or '"unasked"')])
    return True


async def setcookie(exchange: Exchange) -> bool:
    return await _plain(exchange, 200, [("Set-Cookie", "session=of-one-client; Path=/")], exchange.resource.body)


async def status503(exchange: Exchange) -> bool:
    return await _plain(exchange, 503, [("Content-Type", "text/plain")], b"upstream is overloaded\n")


async def dup_cl(exchange: Exchange) -> bool:
    length = len(exchange.resource.body)
    await exchange.head(200, [("Content-Length", str(length)), ("Content-Length", str(length - 1))])
    await exchange.body(exchange.resource.body)
    return False


async def cl_te(exchange: Exchange) -> bool:
    length = str(len(exchange.resource.body))
    await exchange.head(200, [("Content-Length", length), ("Transfer-Encoding", "chunked")])
    await exchange.chunk(exchange.resource.body)
    await exchange.chunk(b"")
    return False


async def wrongbytes_once(exchange: Exchange) -> bool:
    body = exchange.resource.body
    return await _plain(exchange, 200, [], bytes(byte ^ 0xFF for byte in body) if exchange.nth == 1 else body)


async def slow(exchange: Exchange) -> bool:
    body = exchange.resource.body
    await exchange.head(200, [("Content-Length", str(len(body)))])
    step = max(1, -(-len(body) // SLOW_PIECES))
    for start in range(0, len(body), step):
        await exchange.send(body[start : start + step])
        await asyncio.sleep(SLOW_PAUSE)
    return True


async def stall_mid(exchange: Exchange) -> bool:
    await exchange.head(200, [("Content-Length", str(len(exchange.resource.body)))])
    await exchange.send(_half(exchange))
    await exchange.stall()
    return False


async def early_hint(exchange: Exchange) -> bool:
    await exchange.head(103, [("Link", "</style.css>; rel=preload; as=style")])
    return await faithful(exchange)


async def redirect_loop(exchange: Exchange) -> bool:
    return await _plain(exchange, 302, [("Location", exchange.request.target)], b"")


async def bigheader(exchange: Exchange) -> bool:
    return await _plain(exchange, 200, [("X-Big", "b" * (1 << 20))], exchange.resource.body)


async def manyheaders(exchange: Exchange) -> bool:
    return await _plain(exchange, 200, [(f"X-Many-{n}", "m") for n in range(20_000)], exchange.resource.body)


async def nul_header(exchange: Exchange) -> bool:
    return await _plain(exchange, 200, [("X-Nul", "before\0after")], exchange.resource.body)


async def flap(exchange: Exchange) -> bool:
    return await (status503 if exchange.nth % 2 else faithful)(exchange)


async def infinite(exchange: Exchange) -> bool:
    await _start_chunks(exchange)
    while True:  # until the client closes, which send() raises
        await exchange.chunk(ENDLESS_CHUNK)
        await asyncio.sleep(0)  # a lost connection is only noticed when the loop runs; its writes are dropped without waiting


async def trickle(exchange: Exchange) -> bool:
    await exchange.head(
        200, [("Content-Type", exchange.resource.content_type), ("Transfer-Encoding", "chunked"), *metadata(exchange.resource)]
    )
    while True:
        await exchange.chunk(b".")
        await asyncio.sleep(TRICKLE_PAUSE)


ANSWERS: dict[Behaviour, Answer] = {
    Behaviour.OK: faithful,
    Behaviour.CHUNKED: chunked,
    Behaviour.CL_SHORT: cl_short,
    Behaviour.TRUNCATE_CHUNKED: truncate_chunked,
    Behaviour.CHUNK_NO_END: chunk_no_end,
    Behaviour.RESET_MID: reset_mid,
    Behaviour.NO_CL_CLOSE: no_cl_close,
    Behaviour.HTML403: html403,
    Behaviour.HTML200: html200,
    Behaviour.PARTIAL_FOR_200: partial_for_200,
    Behaviour.UNCONDITIONAL_304: unconditional_304,
    Behaviour.SETCOOKIE: setcookie,
    Behaviour.STATUS503: status503,
    Behaviour.DUP_CL: dup_cl,
    Behaviour.CL_TE: cl_te,
    Behaviour.WRONGBYTES_ONCE: wrongbytes_once,
    Behaviour.SLOW: slow,
    Behaviour.STALL_MID: stall_mid,
    Behaviour.EARLY_HINT: early_hint,
    Behaviour.REDIRECT_LOOP: redirect_loop,
    Behaviour.BIGHEADER: bigheader,
    Behaviour.MANYHEADERS: manyheaders,
    Behaviour.NUL_HEADER: nul_header,
    Behaviour.FLAP: flap,
    Behaviour.INFINITE: infinite,
    Behaviour.TRICKLE: trickle,
    **RANGE_ANSWERS,
}
