"""Answers to a Range that are not what was asked for; to everything else they are right."""

from collections.abc import Awaitable, Callable

from tests.upstream.exchange import Exchange
from tests.upstream.faithful import faithful, metadata, span
from tests.upstream.resource import Behaviour

type Answer = Callable[[Exchange], Awaitable[bool]]


def _asked(exchange: Exchange) -> tuple[int, int] | None:
    return span(exchange.request, exchange.resource, len(exchange.resource.body))


async def _part(exchange: Exchange, labelled: tuple[int, int], body: bytes, etag: str | None = None) -> None:
    headers = [(name, etag if etag and name == "ETag" else value) for name, value in metadata(exchange.resource)]
    total = len(exchange.resource.body)
    headers.append(("Content-Range", f"bytes {labelled[0]}-{labelled[1] - 1}/{total}"))
    await exchange.head(206, [*headers, ("Content-Length", str(len(body)))])
    await exchange.body(body)


async def range_ignored(exchange: Exchange) -> bool:
    body = exchange.resource.body
    shared = [*metadata(exchange.resource), ("Accept-Ranges", "bytes")]
    await exchange.head(200, [*shared, ("Content-Length", str(len(body)))])
    await exchange.body(body)
    return True


async def _moved(exchange: Exchange, *, honest: bool) -> bool:
    if (asked := _asked(exchange)) is None:
        return await faithful(exchange)
    moved = (asked[0] - 1000, asked[1] - 1000)
    await _part(exchange, moved if honest else asked, exchange.resource.body[slice(*moved)])
    return True


async def range_shifted(exchange: Exchange) -> bool:
    return await _moved(exchange, honest=True)


async def range_mislabelled(exchange: Exchange) -> bool:
    return await _moved(exchange, honest=False)


async def range_other_tag(exchange: Exchange) -> bool:
    asked = _asked(exchange)
    if asked is None or exchange.nth < 3:
        return await faithful(exchange)
    await _part(exchange, asked, bytes(asked[1] - asked[0]), '"another"')
    return True


async def range_short(exchange: Exchange) -> bool:
    if (asked := _asked(exchange)) is None:
        return await faithful(exchange)
    await _part(exchange, asked, exchange.resource.body[asked[0] : (asked[0] + asked[1]) // 2])
    return True


async def range_long(exchange: Exchange) -> bool:
    if (asked := _asked(exchange)) is None:
        return await faithful(exchange)
    total = len(exchange.resource.body)
    label = ("Content-Range", f"bytes {asked[0]}-{asked[1] - 1}/{total}")
    await exchange.head(206, [*metadata(exchange.resource), label, ("Transfer-Encoding", "chunked")])
    await exchange.chunk(exchange.resource.body[slice(*asked)])
    await exchange.chunk(bytes(1000))
    await exchange.chunk(b"")
    return True


async def range_cut(exchange: Exchange) -> bool:
    asked = _asked(exchange)
    if asked is None or exchange.nth % 2:
        return await faithful(exchange)
    label = ("Content-Range", f"bytes {asked[0]}-{asked[1] - 1}/{len(exchange.resource.body)}")
    await exchange.head(206, [*metadata(exchange.resource), label, ("Content-Length", str(asked[1] - asked[0]))])
    await exchange.body(exchange.resource.body[asked[0] : (asked[0] + asked[1]) // 2])
    return False


async def range_empty(exchange: Exchange) -> bool:
    asked = _asked(exchange)
    if asked is None or (exchange.request.header("range") or "").endswith("-"):
        return await faithful(exchange)
    label = ("Content-Range", f"bytes {asked[0]}-{asked[1] - 1}/{len(exchange.resource.body)}")
    await exchange.head(206, [*metadata(exchange.resource), label, ("Content-Length", str(asked[1] - asked[0]))])
    return False


async def range_503(exchange: Exchange) -> bool:
    if _asked(exchange) is None or exchange.nth < 4:
        return await faithful(exchange)
    await exchange.head(503, [("Content-Length", "0")])
    return True


RANGE_ANSWERS: dict[Behaviour, Answer] = {
    Behaviour.RANGE_IGNORED: range_ignored,
    Behaviour.RANGE_SHIFTED: range_shifted,
    Behaviour.RANGE_MISLABELLED: range_mislabelled,
    Behaviour.RANGE_OTHER_TAG: range_other_tag,
    Behaviour.RANGE_SHORT: range_short,
    Behaviour.RANGE_LONG: range_long,
    Behaviour.RANGE_CUT: range_cut,
    Behaviour.RANGE_EMPTY: range_empty,
    Behaviour.RANGE_503: range_503,
}
