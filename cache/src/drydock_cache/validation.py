"""Validation of stored responses by RFC 9111 §4.3: conditional requests, 304 answers, and which variant a request means."""

import re
from urllib.parse import quote

from drydock_cache.http_fields import Headers, entity_tags, first, http_date, members, values

# RFC 9111 §3.1 and RFC 9110 §7.6.1: these speak of one connection, or of one client, and are never kept.
_NOT_KEPT = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "set-cookie",
        "set-cookie2",
    }
)
# RFC 9111 §3.2: these describe the stored bytes, which a 304 does not replace.
_OF_THE_BYTES = frozenset(
    {
        "content-length",
        "content-encoding",
        "content-type",
        "content-range",
        "content-md5",
        "content-digest",
        "repr-digest",
        "digest",
    }
)
# They tell the age of the answer they came with; a 304 starts the count anew (RFC 9111 §4.2.3).
_OF_THE_ANSWER = frozenset({"age", "date"})


def kept_headers(headers: Headers) -> list[tuple[str, str]]:
    """Return the fields of a response that may be stored and shared: neither per connection nor cookies (RFC 9111 §3.1)."""
    refused = _NOT_KEPT | {name.lower() for name in members(headers, "connection")}
    return [(name, value) for name, value in headers if name not in refused]


def validators(headers: Headers) -> tuple[str | None, str | None]:
    """Return the ETag and the Last-Modified of a stored response, for If-None-Match and If-Modified-Since (§4.3.1).

    Each is None where it is absent or cannot be read.
    """
    tag = next(iter(entity_tags(headers, "etag")), None)
    modified = first(headers, "last-modified")
    return tag, modified if http_date(modified) is not None else None


def confirms(stored: Headers, from_304: Headers) -> bool:
    """Tell whether a 304 speaks of the stored response: an entity tag in it must be that of the stored one (§4.3.4)."""
    tag, _ = validators(from_304)
    stored_tag, _ = validators(stored)
    return tag is None or (stored_tag is not None and _opaque(tag) == _opaque(stored_tag))


def updated_headers(stored: Headers, from_304: Headers) -> list[tuple[str, str]]:
    """Return the stored fields renewed by a 304 (RFC 9111 §3.2, §4.3.4).

    Every field of the 304 replaces those of its name, but for what speaks of one connection, sets cookies, or describes the
    stored bytes: lengths, codings, types and digests stay.
    """
    renewed = [(name, value) for name, value in kept_headers(from_304) if name not in _OF_THE_BYTES]
    replaced = {name for name, _ in renewed} | _OF_THE_ANSWER
    return [(name, value) for name, value in stored if name not in replaced] + renewed


def not_modified(request_headers: Headers, stored_headers: Headers) -> bool:
    """Tell whether a client's conditional GET or HEAD is to be answered with 304 (RFC 9111 §4.3.2).

    If-None-Match is compared weakly and, where present, alone counts; If-Modified-Since is compared with Last-Modified, or
    with Date where there is none.
    """
    if values(request_headers, "if-none-match"):
        tag, _ = validators(stored_headers)
        if "*" in members(request_headers, "if-none-match"):
            return True
        known = {_opaque(candidate) for candidate in entity_tags(request_headers, "if-none-match")}
        return tag is not None and _opaque(tag) in known
    since = http_date(first(request_headers, "if-modified-since"))
    changed = http_date(first(stored_headers, "last-modified"))
    if changed is None:
        changed = http_date(first(stored_headers, "date"))
    return since is not None and changed is not None and changed <= since


def vary_key(vary: str | None, request_headers: Headers) -> str:
    """Name the variant that a request selects among responses with this Vary (RFC 9111 §4.1); empty without Vary.

    Values are compared without regard to white space around commas, and Accept-Encoding only by whether gzip is accepted,
    since no other coding is asked of upstreams. An absent field differs from an empty one.
    """
    names = sorted({name.lower() for name in members([("vary", vary or "")], "vary")})
    return "&".join(_variant(name, request_headers) for name in names)


def _variant(name: str, headers: Headers) -> str:
    if name == "accept-encoding":
        return f"{name}={'gzip' if _accepts_gzip(headers) else 'identity'}"
    lines = values(headers, name)
    if not lines:
        return f"-{name}"
    listed = ",".join(re.sub(r"[ \t]*([;=])[ \t]*", r"\1", member) for member in members(headers, name))
    return f"{name}={quote(listed)}"


def _accepts_gzip(headers: Headers) -> bool:
    """Tell whether Accept-Encoding takes gzip, named or by `*`, with a weight above zero (RFC 9110 §12.5.3)."""
    weights: dict[str, bool] = {}
    for member in members(headers, "accept-encoding"):
        coding, *parameters = (part.strip().lower() for part in member.split(";"))
        zero = any(re.fullmatch(r"q[ \t]*=[ \t]*0(\.0*)?", parameter) for parameter in parameters)
        weights.setdefault("gzip" if coding == "x-gzip" else coding, not zero)
    return weights.get("gzip", weights.get("*", False))


def _opaque(tag: str) -> str:
    return tag.removeprefix("W/")
