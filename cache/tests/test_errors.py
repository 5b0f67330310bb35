"""Errors: sentences that hold no secret."""

import pytest
from drydock_cache.errors import ConfigError, StoreError, UpstreamError, UpstreamFailure, damaged, mask_credentials


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at http://user:p%40ss@proxy.example:1/x now", "at http://***@proxy.example:1/x now"),
        ("https://a.example/x?token=abc&y=1, then", "https://a.example/x?… then"),
        ('"https://a.example/x?sig=abc"', '"https://a.example/x?…"'),
        ("Is https://a.example/x right? Yes.", "Is https://a.example/x right? Yes."),
        ("nothing", "nothing"),
    ],
)
def test_credentials_and_queries_of_urls_are_masked(text: str, shown: str) -> None:
    assert mask_credentials(text) == shown
    assert str(ConfigError(text)) == shown
    assert ConfigError("x", text).remedy == shown


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (UpstreamFailure.OFFLINE, 504),
        (UpstreamFailure.TIMEOUT, 504),
        (UpstreamFailure.UNREACHABLE, 504),
        (UpstreamFailure.TLS, 502),
    ],
)
def test_the_status_says_whether_upstream_was_reached(failure: UpstreamFailure, status: int) -> None:
    assert UpstreamError(failure, "x").status == status


def test_damage_that_cannot_be_mended_is_a_502_with_both_reasons() -> None:
    error = damaged(StoreError("The blob is bad."), UpstreamError(UpstreamFailure.OFFLINE, "Offline.", "Go online."))
    assert (error.status, str(error)) == (502, "The blob is bad. It could not be fetched again: Offline. Go online.")
