"""Freshness of index pages by RFC 9111: what a shared cache may store, how long it stays fresh, when stale may be served."""

import math
from dataclasses import dataclass

from drydock_cache.http_fields import Headers, cache_control, delta_seconds, first, http_date, members, values

HEURISTIC_FRACTION = 0.1
"""The part of the time since Last-Modified for which a response without explicit lifetime is fresh (§4.2.2)."""

HEURISTIC_LIMIT = 24 * 3600.0
"""Seconds; however long a page has not changed, it is looked after once a day."""

HEURISTIC_SHORT = 300.0
"""Seconds for a page of which nothing says how long it lasts or when it changed, and for a "not found" of that kind: one run of
a resolver asks for it many times, and a package that appears meanwhile is found soon enough."""

# RFC 9110 §15.1, without 206 (a part is no page) and the errors: what a firewall or an outage says must not outlive it.
_HEURISTIC_STATUSES = frozenset({200, 203, 204, 300, 301, 308, 404, 410})
_EXPLICIT_STATUSES = frozenset({302, 303, 307})
_ABSENT_STATUSES = frozenset({404, 410})
_LIFETIME_DIRECTIVES = ("s-maxage", "max-age")
# RFC 9111 §3.5, §5.2.2.10
_AUTHORIZED_DIRECTIVES = frozenset({"public", "must-revalidate", "s-maxage"})
_STRICT_DIRECTIVES = frozenset({"must-revalidate", "proxy-revalidate", "s-maxage", "no-cache"})


@dataclass(frozen=True)
class Storability:
    """Whether a response may be stored; true or false in itself, with the reason for a refusal."""

    reason: str = ""

    def __bool__(self) -> bool:
        return not self.reason


@dataclass(frozen=True)
class Freshness:
    """How old a stored response is; `lifetime` and `age` in seconds.

    `must_revalidate` says that it may not be used stale, or, after no-cache, not at all without validation.
    """

    fresh: bool
    lifetime: float
    age: float
    must_revalidate: bool


@dataclass(frozen=True)
class RequestDirectives:
    """What a request's Cache-Control asks of caches (RFC 9111 §5.2.1); times in seconds, None where not asked."""

    no_cache: bool = False
    no_store: bool = False
    only_if_cached: bool = False
    max_age: float | None = None
    min_fresh: float | None = None
    max_stale: float | None = None


def request_directives(headers: Headers) -> RequestDirectives:
    """Read a request's Cache-Control; without one, `Pragma: no-cache` counts (§5.4). Unreadable times ask for the strictest."""
    directives = cache_control(headers)
    if not values(headers, "cache-control"):
        return RequestDirectives(no_cache="no-cache" in (member.lower() for member in members(headers, "pragma")))

    def seconds(name: str, unreadable: float) -> float | None:
        if name not in directives:
            return None
        delta = delta_seconds(directives[name])
        return unreadable if delta is None else float(delta)

    max_stale = math.inf if directives.get("max-stale", "") is None else seconds("max-stale", 0.0)
    return RequestDirectives(
        no_cache="no-cache" in directives,
        no_store="no-store" in directives,
        only_if_cached="only-if-cached" in directives,
        max_age=seconds("max-age", 0.0),
        min_fresh=seconds("min-fresh", math.inf),
        max_stale=max_stale,
    )


def is_storable(method: str, status: int, request_headers: Headers, response_headers: Headers) -> Storability:
    """Decide whether a shared cache may store a response (RFC 9111 §3); the reason is a clause such as "it is private"."""
    directives = cache_control(response_headers)
    explicit = _has_explicit_lifetime(directives, response_headers)
    if method != "GET":
        return Storability(f"the method is {method}")
    if status not in _HEURISTIC_STATUSES and not (status in _EXPLICIT_STATUSES and (explicit or "public" in directives)):
        return Storability(f"the status is {status}")
    if "no-store" in directives:
        return Storability("the response says no-store")
    if "no-store" in cache_control(request_headers):
        return Storability("the request says no-store")
    if "private" in directives:
        return Storability("the response is private")
    if first(request_headers, "authorization") is not None and not _AUTHORIZED_DIRECTIVES & directives.keys():
        return Storability("the request is authorized and the response does not allow sharing")
    if first(request_headers, "cookie") is not None and "public" not in directives:
        return Storability("the request has a cookie and the response is not public")
    if "*" in members(response_headers, "vary"):
        return Storability("the response varies by more than the request (Vary: *)")
    if first(response_headers, "set-cookie") is not None and not (explicit or "public" in directives):
        return Storability("the response sets a cookie and says nothing about sharing")
    return Storability()


def freshness_lifetime(status: int, headers: Headers, response_time: float) -> float:
    """Return for how many seconds a stored response is fresh in a shared cache (RFC 9111 §4.2.1, §4.2.2).

    s-maxage goes before max-age, before Expires, before the heuristics: a tenth of the time since Last-Modified, or five
    minutes where there is none, and for a "not found". What cannot be read counts as stale.
    """
    directives = cache_control(headers)
    for name in _LIFETIME_DIRECTIVES:
        if name in directives:
            return float(delta_seconds(directives[name]) or 0)
    date = http_date(first(headers, "date"))
    origin = response_time if date is None else date
    expires = first(headers, "expires")
    if expires is not None:
        moment = http_date(expires)
        return 0.0 if moment is None else max(0.0, moment - origin)
    if status not in _HEURISTIC_STATUSES and "public" not in directives:
        return 0.0
    if first(headers, "last-modified") is None or status in _ABSENT_STATUSES:
        return HEURISTIC_SHORT
    modified = http_date(first(headers, "last-modified"))
    if modified is None:
        return 0.0
    return min(HEURISTIC_LIMIT, max(0.0, origin - modified) * HEURISTIC_FRACTION)


def current_age(headers: Headers, request_time: float, response_time: float, now: float) -> float:
    """Return the age of a stored response in seconds (RFC 9111 §4.2.3); times are seconds since 1970 by our own clock.

    A clock that was set back since then makes no negative time.
    """
    date = http_date(first(headers, "date"))
    apparent = 0.0 if date is None else max(0.0, response_time - date)
    age = delta_seconds(next(iter(members(headers, "age")), None)) or 0
    corrected = age + max(0.0, response_time - request_time)
    return max(apparent, corrected) + max(0.0, now - response_time)


def freshness(status: int, headers: Headers, request_time: float, response_time: float, now: float) -> Freshness:
    """Put lifetime and age together (RFC 9111 §4.2): fresh while the lifetime exceeds the age, never after no-cache."""
    directives = cache_control(headers)
    lifetime = freshness_lifetime(status, headers, response_time)
    age = current_age(headers, request_time, response_time, now)
    fresh = lifetime > age and "no-cache" not in directives
    return Freshness(fresh, lifetime, age, not _STRICT_DIRECTIVES.isdisjoint(directives))


def may_serve_fresh(stored: Freshness, request: RequestDirectives) -> bool:
    """Tell whether a stored response may answer this request as fresh, without validation (RFC 9111 §4, §5.2.1)."""
    if request.no_cache or not stored.fresh:
        return False
    if request.max_age is not None and stored.age > request.max_age:
        return False
    return request.min_fresh is None or stored.lifetime - stored.age >= request.min_fresh


def may_serve_stale(stored: Freshness, request: RequestDirectives, *, disconnected: bool = False) -> bool:
    """Tell whether a stored response may answer this request although it is stale or was not validated.

    Connected, only the client's max-stale allows it, and must-revalidate, proxy-revalidate, s-maxage and no-cache forbid even
    that (RFC 9111 §4.2.4). `disconnected` means that upstream is away or offline mode is chosen. RFC 9111 §4.2.4 then allows
    what none of those directives forbids; for them §5.2.2.2 would have an error instead. drydock departs from that on
    purpose: the snapshot in the store is what the user asked to work with, and Cache-Status tells the client of it.
    """
    if disconnected:
        return True
    if stored.must_revalidate or request.no_cache or request.max_stale is None or request.min_fresh is not None:
        return False
    if request.max_age is not None and stored.age > request.max_age:
        return False
    return stored.age - stored.lifetime <= request.max_stale


def _has_explicit_lifetime(directives: dict[str, str | None], headers: Headers) -> bool:
    return not directives.keys().isdisjoint(_LIFETIME_DIRECTIVES) or first(headers, "expires") is not None
