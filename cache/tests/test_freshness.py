"""Freshness: what a shared cache may store, for how long it is fresh, and when it may be used stale (RFC 9111)."""

import math

import pytest
from drydock_cache.freshness import (
    HEURISTIC_LIMIT,
    HEURISTIC_SHORT,
    Freshness,
    RequestDirectives,
    current_age,
    freshness,
    freshness_lifetime,
    is_storable,
    may_serve_fresh,
    may_serve_stale,
    request_directives,
)
from drydock_cache.http_fields import MAX_DELTA, Headers, cache_control, delta_seconds, entity_tags, http_date, members

DATE = "Fri, 20 Nov 2026 12:00:00 GMT"
NOW = 1795176000.0
HOUR_LATER = "Fri, 20 Nov 2026 13:00:00 GMT"
TEN_HOURS_BEFORE = "Fri, 20 Nov 2026 02:00:00 GMT"
A_YEAR_BEFORE = "Thu, 20 Nov 2025 12:00:00 GMT"


def control(*lines: str) -> Headers:
    return [("cache-control", line) for line in lines]


@pytest.mark.parametrize(
    ("lines", "directives"),
    [
        (["max-age=60, public"], {"max-age": "60", "public": None}),
        (["Max-Age=60", "PUBLIC"], {"max-age": "60", "public": None}),
        (['max-age="60"'], {"max-age": "60"}),
        (["max-age=1, max-age=2"], {"max-age": "1"}),
        (["max-age=1", "max-age=2"], {"max-age": "1"}),
        (['private="set-cookie, x-a", max-age=5'], {"private": "set-cookie, x-a", "max-age": "5"}),
        (['ext="a\\"b, no-store", public'], {"ext": 'a"b, no-store', "public": None}),
        ([" , ,public,, "], {"public": None}),
        (["public max-age=5, no-store"], {"no-store": None}),
        (["max-age = 60"], {"max-age": "60"}),
        (["max-age="], {"max-age": ""}),
        (['ext="never closed, no-store'], {"ext": "never closed, no-store"}),
        ([], {}),
    ],
)
def test_cache_control_is_read_as_it_comes(lines: list[str], directives: dict[str, str | None]) -> None:
    """§5.2: any case, several lines, quoted arguments, first of duplicates; what is no directive is passed over."""
    assert cache_control(control(*lines)) == directives


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("60", 60),
        ("007", 7),
        ("1000000000", 1000000000),
        ("2147483649", MAX_DELTA),
        ("9" * 5000, MAX_DELTA),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("1e3", None),
        ("٣", None),
        ("", None),
        (" 1", None),
        (None, None),
    ],
)
def test_numbers_of_seconds_are_digits_alone(text: str | None, seconds: int | None) -> None:
    """§1.2.2: capped at 2^31; anything else is unreadable and no reason to fall over."""
    assert delta_seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (DATE, NOW),
        ("Friday, 20-Nov-26 12:00:00 GMT", NOW),
        ("Fri Nov 20 12:00:00 2026", NOW),
        ("Sun Nov  6 08:49:37 1994", 784111777.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777.0),
        ("Thursday, 01-Jan-70 00:00:00 GMT", 0.0),
        (f" {DATE} ", NOW),
        ("Fri, 20 Nov 2026 12:00:60 GMT", NOW + 59),
        ("Fri, 20 Nov 2026 12:00:61 GMT", None),
        ("Fri, 20 Nov 2026 24:00:00 GMT", None),
        ("Mon, 30 Feb 2026 12:00:00 GMT", None),
        ("Fri, 20 Nov 2026 12:00:00 +0100", None),
        ("Fri, 20 Nov 2026 12:00:00", None),
        ("0", None),
        ("-1", None),
        ("", None),
        (None, None),
    ],
)
def test_dates_are_read_in_their_three_formats_alone(text: str | None, moment: float | None) -> None:
    """RFC 9110 §5.6.7: IMF-fixdate, RFC 850 and asctime; leniency would make "0" a date."""
    assert http_date(text) == moment


def test_commas_in_quotes_separate_nothing() -> None:
    """RFC 9110 §5.6.1: lists span field lines, and entity tags may have commas in them."""
    assert members([("vary", "a, b"), ("x", "y"), ("vary", ",c")], "vary") == ["a", "b", "c"]
    assert entity_tags([("if-none-match", '"a,b", W/"c"')], "if-none-match") == ['"a,b"', 'W/"c"']


@pytest.mark.parametrize(
    ("status", "headers", "lifetime"),
    [
        (200, control("s-maxage=10, max-age=20"), 10.0),
        (200, control("max-age=20"), 20.0),
        (200, [*control("max-age=20"), ("expires", HOUR_LATER)], 20.0),
        (200, [*control("max-age=0"), ("expires", HOUR_LATER)], 0.0),
        (200, [*control("max-age=soon"), ("expires", HOUR_LATER)], 0.0),
        (200, [*control("max-age=-5")], 0.0),
        (200, [*control("s-maxage=x, max-age=20")], 0.0),
        (200, [("expires", HOUR_LATER)], 3600.0),
        (200, [("expires", TEN_HOURS_BEFORE)], 0.0),
        (200, [("expires", "0"), ("last-modified", A_YEAR_BEFORE)], 0.0),
        (200, [("expires", HOUR_LATER), ("expires", A_YEAR_BEFORE)], 3600.0),
        (200, [("last-modified", TEN_HOURS_BEFORE)], 3600.0),
        (200, [("last-modified", A_YEAR_BEFORE)], HEURISTIC_LIMIT),
        (200, [("last-modified", HOUR_LATER)], 0.0),
        (200, [("last-modified", "yesterday")], 0.0),
        (200, [], HEURISTIC_SHORT),
        (404, control("max-age=20"), 20.0),
        (404, [("last-modified", A_YEAR_BEFORE)], HEURISTIC_SHORT),
        (410, [], HEURISTIC_SHORT),
        (302, [("last-modified", A_YEAR_BEFORE)], 0.0),
        (302, [*control("public"), ("last-modified", A_YEAR_BEFORE)], HEURISTIC_LIMIT),
    ],
)
def test_the_lifetime_comes_from_the_most_exact_source(status: int, headers: Headers, lifetime: float) -> None:
    """§4.2.1 and §4.2.2: s-maxage, max-age, Expires, heuristics; what cannot be read is stale."""
    assert freshness_lifetime(status, [("date", DATE), *headers], NOW + 7) == lifetime


def test_expires_counts_from_our_own_clock_where_there_is_no_date() -> None:
    """Without Date the time of receipt stands in (RFC 9110 §6.6.1)."""
    assert freshness_lifetime(200, [("expires", HOUR_LATER)], NOW + 600) == 3000.0


@pytest.mark.parametrize(
    ("headers", "age"),
    [
        ([("date", DATE)], 110.0),
        ([], 105.0),
        ([("date", DATE), ("age", "50")], 155.0),
        ([("date", DATE), ("age", "50, 70")], 155.0),
        ([("date", DATE), ("age", "50"), ("age", "70")], 155.0),
        ([("date", DATE), ("age", "x")], 110.0),
        ([("date", A_YEAR_BEFORE)], 365 * 86400 + 110.0),
        ([("date", HOUR_LATER)], 105.0),
    ],
)
def test_the_age_is_the_largest_that_anybody_can_know_of(headers: Headers, age: float) -> None:
    """§4.2.3: asked 5 s and answered 10 s after Date, looked at 100 s later; delay, Date and Age all count."""
    assert current_age(headers, NOW + 5, NOW + 10, NOW + 110) == age


def test_a_clock_that_is_set_back_makes_no_negative_age() -> None:
    """Neither between request and response nor since then."""
    assert current_age([], NOW, NOW - 50, NOW - 100) == 0.0


def test_fresh_means_a_lifetime_above_the_age() -> None:
    """§4.2: at the very moment when the age reaches the lifetime, a response is stale."""
    headers = [("date", DATE), *control("max-age=60")]
    assert freshness(200, headers, NOW, NOW, NOW + 59) == Freshness(True, 60.0, 59.0, False)
    assert freshness(200, headers, NOW, NOW, NOW + 60) == Freshness(False, 60.0, 60.0, False)


@pytest.mark.parametrize(
    ("directive", "fresh", "strict"),
    [
        ("max-age=60, no-cache", False, True),
        ('max-age=60, no-cache="x"', False, True),
        ("max-age=60, must-revalidate", True, True),
        ("max-age=60, proxy-revalidate", True, True),
        ("s-maxage=60", True, True),
        ("max-age=60, immutable", True, False),
    ],
)
def test_directives_that_demand_validation_are_seen(directive: str, fresh: bool, strict: bool) -> None:
    """§5.2.2: no-cache even while fresh, the others once stale; s-maxage implies proxy-revalidate."""
    state = freshness(200, control(directive), NOW, NOW, NOW)
    assert (state.fresh, state.must_revalidate) == (fresh, strict)


@pytest.mark.parametrize(
    ("headers", "directives"),
    [
        ([], RequestDirectives()),
        (control("no-cache, no-store, only-if-cached"), RequestDirectives(True, True, True)),
        (
            control("max-age=1, min-fresh=2, max-stale=3"),
            RequestDirectives(max_age=1.0, min_fresh=2.0, max_stale=3.0),
        ),
        (control("max-stale"), RequestDirectives(max_stale=math.inf)),
        (
            control("max-age=x, min-fresh=x, max-stale=x"),
            RequestDirectives(max_age=0.0, min_fresh=math.inf, max_stale=0.0),
        ),
        ([("pragma", "No-Cache")], RequestDirectives(no_cache=True)),
        ([("pragma", "no-cache"), *control("max-age=5")], RequestDirectives(max_age=5.0)),
    ],
)
def test_a_request_asks_in_cache_control_and_by_pragma_only_without_it(headers: Headers, directives: RequestDirectives) -> None:
    """§5.2.1 and §5.4: unreadable times count as the strictest wish."""
    assert request_directives(headers) == directives


FRESH = Freshness(True, 60.0, 20.0, False)
STALE = Freshness(False, 60.0, 100.0, False)
STRICT = Freshness(False, 60.0, 100.0, True)


@pytest.mark.parametrize(
    ("state", "request_", "allowed"),
    [
        (FRESH, RequestDirectives(), True),
        (STALE, RequestDirectives(), False),
        (FRESH, RequestDirectives(no_cache=True), False),
        (FRESH, RequestDirectives(max_age=20.0), True),
        (FRESH, RequestDirectives(max_age=19.0), False),
        (FRESH, RequestDirectives(min_fresh=40.0), True),
        (FRESH, RequestDirectives(min_fresh=41.0), False),
        (FRESH, RequestDirectives(max_stale=math.inf), True),
    ],
)
def test_a_fresh_response_answers_unless_the_client_wants_better(
    state: Freshness, request_: RequestDirectives, allowed: bool
) -> None:
    """§5.2.1: no-cache, max-age and min-fresh narrow what counts as fresh enough."""
    assert may_serve_fresh(state, request_) is allowed


@pytest.mark.parametrize(
    ("state", "request_", "allowed"),
    [
        (STALE, RequestDirectives(), False),
        (STALE, RequestDirectives(max_stale=math.inf), True),
        (STALE, RequestDirectives(max_stale=40.0), True),
        (STALE, RequestDirectives(max_stale=39.0), False),
        (STALE, RequestDirectives(max_stale=math.inf, no_cache=True), False),
        (STALE, RequestDirectives(max_stale=math.inf, max_age=99.0), False),
        (STALE, RequestDirectives(max_stale=math.inf, max_age=100.0), True),
        (STALE, RequestDirectives(max_stale=math.inf, min_fresh=1.0), False),
        (STRICT, RequestDirectives(max_stale=math.inf), False),
    ],
)
def test_a_stale_response_needs_leave_from_client_and_origin(
    state: Freshness, request_: RequestDirectives, allowed: bool
) -> None:
    """§4.2.4: connected, max-stale allows it and must-revalidate and its like forbid it."""
    assert may_serve_stale(state, request_) is allowed


@pytest.mark.parametrize("request_", [RequestDirectives(), RequestDirectives(no_cache=True, max_age=0.0)])
def test_disconnected_the_snapshot_is_served_whatever_it_says(request_: RequestDirectives) -> None:
    """Away from upstream an old page is what the user asked to work with, also where must-revalidate stands."""
    assert may_serve_stale(STRICT, request_, disconnected=True)


PUBLIC = control("public, max-age=60")


@pytest.mark.parametrize("status", [200, 203, 204, 300, 301, 308, 404, 410])
def test_statuses_that_last_are_stored_without_being_told(status: int) -> None:
    """RFC 9110 §15.1: these are cacheable by heuristics, "not found" among them."""
    assert is_storable("GET", status, [], [])


@pytest.mark.parametrize("status", [302, 303, 307])
def test_passing_redirects_are_stored_only_when_told(status: int) -> None:
    """§3: without an explicit lifetime or public they are not."""
    assert not is_storable("GET", status, [], [])
    assert is_storable("GET", status, [], control("max-age=5"))
    assert is_storable("GET", status, [], control("public"))
    assert is_storable("GET", status, [], [("expires", HOUR_LATER)])


@pytest.mark.parametrize("status", [100, 103, 201, 206, 304, 400, 401, 403, 407, 429, 451, 500, 502, 503, 504])
def test_errors_and_parts_are_never_stored(status: int) -> None:
    """What a firewall, an outage or a login says must not outlive it, however public it calls itself."""
    verdict = is_storable("GET", status, [], PUBLIC)
    assert not verdict
    assert verdict.reason == f"the status is {status}"


@pytest.mark.parametrize(
    ("method", "asked", "answered", "reason"),
    [
        ("POST", [], PUBLIC, "the method is POST"),
        ("HEAD", [], PUBLIC, "the method is HEAD"),
        ("GET", [], control("public", "no-store"), "the response says no-store"),
        ("GET", control("no-store"), PUBLIC, "the request says no-store"),
        ("GET", [], control("private, max-age=60"), "the response is private"),
        ("GET", [], control('private="x-a", max-age=60'), "the response is private"),
        ("GET", [("authorization", "Bearer x")], control("max-age=60"), "does not allow sharing"),
        ("GET", [("cookie", "a=b")], control("max-age=60"), "the request has a cookie"),
        ("GET", [], [*PUBLIC, ("vary", "accept, *")], "Vary: *"),
        ("GET", [], [("set-cookie", "a=b")], "sets a cookie"),
    ],
)
def test_what_is_meant_for_one_client_is_not_shared(method: str, asked: Headers, answered: Headers, reason: str) -> None:
    """§3 and §3.5: each refusal says why."""
    verdict = is_storable(method, 200, asked, answered)
    assert not verdict
    assert reason in verdict.reason


@pytest.mark.parametrize("directive", ["public", "must-revalidate", "s-maxage=5"])
def test_an_authorized_answer_is_shared_when_it_says_so(directive: str) -> None:
    """§3.5: these three directives allow it."""
    assert is_storable("GET", 200, [("authorization", "Bearer x")], control(directive))


@pytest.mark.parametrize("headers", [control("max-age=5"), control("public"), [("expires", HOUR_LATER)]])
def test_a_cookie_beside_an_explicit_lifetime_does_not_keep_a_page_out(headers: Headers) -> None:
    """§7.3: networks in front of public indexes set cookies on everything; what is stored goes without them."""
    assert is_storable("GET", 200, [], [*headers, ("set-cookie", "bot=1")])
