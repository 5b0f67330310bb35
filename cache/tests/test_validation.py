"""Validation: conditional requests, what a 304 renews and what it must leave alone, and which variant is meant."""

import pytest
from drydock_cache.http_fields import Headers
from drydock_cache.validation import confirms, kept_headers, not_modified, updated_headers, validators, vary_key

DATE = "Fri, 20 Nov 2026 12:00:00 GMT"
LATER = "Fri, 20 Nov 2026 13:00:00 GMT"
EARLIER = "Fri, 20 Nov 2026 11:00:00 GMT"


def test_fields_of_one_connection_or_one_client_are_not_kept() -> None:
    """§3.1: hop-by-hop fields, those that Connection names, and cookies."""
    headers = [
        ("connection", "keep-alive, X-Hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("proxy-authenticate", "Basic"),
        ("set-cookie", "a=b"),
        ("etag", '"1"'),
    ]
    assert kept_headers(headers) == [("etag", '"1"')]


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([("etag", '"1"'), ("last-modified", DATE)], ('"1"', DATE)),
        ([("etag", 'W/"1"')], ('W/"1"', None)),
        ([("etag", "unquoted"), ("last-modified", "yesterday")], (None, None)),
        ([], (None, None)),
    ],
)
def test_only_readable_validators_are_sent(headers: Headers, found: tuple[str | None, str | None]) -> None:
    """§4.3.1: what is malformed would be compared with nothing."""
    assert validators(headers) == found


@pytest.mark.parametrize(
    ("stored", "answered", "right"),
    [
        ('"1"', '"1"', True),
        ('"1"', 'W/"1"', True),
        ('"1"', None, True),
        ('"1"', '"2"', False),
        (None, '"2"', False),
        (None, None, True),
    ],
)
def test_a_304_about_another_response_confirms_nothing(stored: str | None, answered: str | None, right: bool) -> None:
    """§4.3.4: an entity tag in the 304 must be that of the stored response."""
    assert confirms([("etag", stored)] if stored else [], [("etag", answered)] if answered else []) is right


def test_a_304_renews_what_it_names_and_nothing_of_the_bytes() -> None:
    """§3.2: every line of a field is replaced; lengths, codings, types and digests stay; cookies never come in."""
    stored = [
        ("content-type", "text/html"),
        ("content-length", "10"),
        ("content-encoding", "gzip"),
        ("cache-control", "max-age=1"),
        ("cache-control", "public"),
        ("link", "<a>"),
        ("date", EARLIER),
        ("age", "400"),
    ]
    answer = [
        ("cache-control", "max-age=2"),
        ("content-type", "text/plain"),
        ("content-length", "0"),
        ("content-encoding", "br"),
        ("content-digest", "sha-256=:AAAA:"),
        ("transfer-encoding", "chunked"),
        ("set-cookie", "a=b"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("date", DATE),
    ]
    assert updated_headers(stored, answer) == [
        ("content-type", "text/html"),
        ("content-length", "10"),
        ("content-encoding", "gzip"),
        ("link", "<a>"),
        ("cache-control", "max-age=2"),
        ("date", DATE),
    ]


def test_the_age_of_the_first_answer_does_not_outlive_its_validation() -> None:
    """§4.2.3: Age and Date of the stored response would make it old again, even where the 304 names neither."""
    assert updated_headers([("age", "400"), ("date", EARLIER), ("etag", '"1"')], []) == [("etag", '"1"')]


@pytest.mark.parametrize(
    ("asked", "stored", "same"),
    [
        ([("if-none-match", '"1"')], [("etag", '"1"')], True),
        ([("if-none-match", 'W/"1"')], [("etag", '"1"')], True),
        ([("if-none-match", '"0", "a,b" , "1"')], [("etag", 'W/"1"')], True),
        ([("if-none-match", '"0"'), ("if-none-match", '"1"')], [("etag", '"1"')], True),
        ([("if-none-match", '"2"')], [("etag", '"1"')], False),
        ([("if-none-match", '"1"')], [], False),
        ([("if-none-match", "*")], [], True),
        ([("if-none-match", '"*"')], [("etag", '"1"')], False),
        ([("if-none-match", '"2"'), ("if-modified-since", LATER)], [("etag", '"1"'), ("last-modified", DATE)], False),
        ([("if-none-match", "broken"), ("if-modified-since", LATER)], [("last-modified", DATE)], False),
        ([("if-modified-since", DATE)], [("last-modified", DATE)], True),
        ([("if-modified-since", LATER)], [("last-modified", DATE)], True),
        ([("if-modified-since", EARLIER)], [("last-modified", DATE)], False),
        ([("if-modified-since", LATER)], [("date", DATE)], True),
        ([("if-modified-since", LATER)], [], False),
        ([("if-modified-since", "yesterday")], [("last-modified", DATE)], False),
        ([], [("etag", '"1"'), ("last-modified", DATE)], False),
    ],
)
def test_a_client_that_has_the_page_is_told_so(asked: Headers, stored: Headers, same: bool) -> None:
    """§4.3.2: tags compare weakly and exclude dates; unreadable conditions are none."""
    assert not_modified(asked, stored) is same


@pytest.mark.parametrize(
    ("vary", "one", "other", "same"),
    [
        (None, [("accept", "a/b")], [("accept", "c/d")], True),
        ("Accept", [("accept", "a/b,c/d;q=0.5")], [("accept", " a/b ,  c/d ; q=0.5")], True),
        ("accept", [("accept", "a/b, c/d")], [("accept", "a/b"), ("accept", "c/d")], True),
        ("accept", [("accept", "a/b")], [("accept", "c/d")], False),
        ("accept", [("accept", "")], [], False),
        ("accept, accept", [("accept", "a/b")], [("accept", "a/b")], True),
        ("accept", [("accept", "a&-b")], [("accept", "a")], False),
        ("a, b", [("a", "1&b=2")], [("a", "1"), ("b", "2")], False),
        ("accept", [("user-agent", "x")], [("user-agent", "y")], True),
        ("accept-encoding", [("accept-encoding", "gzip, deflate, br")], [("accept-encoding", "GZIP;q=0.5")], True),
        ("accept-encoding", [("accept-encoding", "*")], [("accept-encoding", "x-gzip")], True),
        ("accept-encoding", [("accept-encoding", "gzip;q=0, *")], [], True),
        ("accept-encoding", [("accept-encoding", "gzip;q=0.000")], [("accept-encoding", "identity")], True),
        ("accept-encoding", [("accept-encoding", "gzip;q=0.001")], [("accept-encoding", "identity")], False),
        ("accept-encoding", [("accept-encoding", "br")], [("accept-encoding", "gzip")], False),
    ],
)
def test_requests_that_select_the_same_variant_have_the_same_key(
    vary: str | None, one: Headers, other: Headers, same: bool
) -> None:
    """§4.1: only the fields that Vary names count, without their white space, and codings by whether gzip is taken."""
    assert (vary_key(vary, one) == vary_key(vary, other)) is same


def test_the_order_in_vary_does_not_matter() -> None:
    """Upstreams reorder it, and the stored response must still be found."""
    headers = [("accept", "a/b"), ("accept-encoding", "gzip")]
    assert vary_key("Accept-Encoding, Accept", headers) == vary_key("accept,accept-encoding", headers)
    assert vary_key("", headers) == ""
