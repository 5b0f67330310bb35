"""The answer of an upstream that keeps the rules: HEAD, validation, ranges and variants (RFC 9110)."""

import re
from email.utils import parsedate_to_datetime

from tests.upstream.exchange import Exchange
from tests.upstream.resource import Resource
from tests.upstream.wire import Request

RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def chosen(request: Request, resource: Resource) -> tuple[bytes, str]:
    """Return the body and media type for the request's Accept: the first variant that it names, else the plain body."""
    accepted = request.header("accept") or ""
    for media_type, body in resource.variants.items():
        if media_type in accepted:
            return body, media_type
    return resource.body, resource.content_type


def metadata(resource: Resource) -> list[tuple[str, str]]:
    """Return the headers that 200, 206 and 304 share."""
    fields = [("ETag", resource.etag), ("Last-Modified", resource.last_modified)]
    fields += [("Cache-Control", resource.cache_control), ("Vary", "Accept" if resource.variants else None)]
    return [(name, value) for name, value in fields if value is not None] + list(resource.headers)


def unchanged(request: Request, resource: Resource) -> bool:
    """Say whether the client's validators match (RFC 9110 §13.1.2 and §13.1.3)."""
    tags = request.header("if-none-match")
    if tags is not None:
        return resource.etag is not None and (tags == "*" or resource.etag in re.split(r"\s*,\s*", tags))
    since = request.header("if-modified-since")
    if since is None or resource.last_modified is None:
        return False
    return parsedate_to_datetime(resource.last_modified) <= parsedate_to_datetime(since)


def span(request: Request, resource: Resource, length: int) -> tuple[int, int] | None:
    """Return the first byte and the byte after the last that the client wants, or None for everything.

    An empty span means that nothing satisfies the range. If-Range is compared with the validators as they stand
    (RFC 9110 §13.1.5).
    """
    wanted = RANGE.fullmatch(request.header("range") or "")
    condition = request.header("if-range")
    if wanted is None or not resource.ranges or condition not in (None, resource.etag, resource.last_modified):
        return None
    first, last = wanted.groups()
    if not first:
        return max(0, length - int(last)), length
    return int(first), min(length, int(last) + 1) if last else length


async def faithful(exchange: Exchange) -> bool:
    """Answer; return whether the connection may be used again."""
    request, resource = exchange.request, exchange.resource
    shared = metadata(resource)
    if unchanged(request, resource):
        await exchange.head(304, shared)
        return True
    body, media_type = chosen(request, resource)
    status, headers = resource.status, [("Content-Type", media_type), *shared]
    if resource.ranges:
        headers.append(("Accept-Ranges", "bytes"))
    wanted = span(request, resource, len(body))
    if wanted is not None:
        first, end = wanted
        if first >= end:
            await exchange.head(416, [("Content-Range", f"bytes */{len(body)}"), ("Content-Length", "0")])
            return True
        status = 206
        headers.append(("Content-Range", f"bytes {first}-{end - 1}/{len(body)}"))
        body = body[first:end]
    await exchange.head(status, [*headers, ("Content-Length", str(len(body)))])
    cut = resource.cuts[exchange.nth - 1] if exchange.nth <= len(resource.cuts) else None
    await exchange.body(body[:cut])
    return request.method == "HEAD" or cut is None or cut >= len(body)
