"""What a run is said to have needed: hits, misses, and the status that follows from them."""

import json

import pytest
from ci_account import Account, Miss, exit_status, read_account

URL = "https://files.example.net/a.whl"


def line(**fields: object) -> str:
    """Write a line of the journal."""
    return json.dumps({"event": "request", "method": "GET", "url": URL, "cache_status": "drydock; hit", **fields})


def test_an_account_without_requests_is_zero() -> None:
    assert str(read_account(["drydock proxy is stopping", "", line(event="refused")], 0)) == (
        "0 upstream connections, 0 hits, 0 misses"
    )


@pytest.mark.parametrize("outcome", ["hit", "stale"])
def test_what_came_from_the_store_is_a_hit(outcome: str) -> None:
    """Offline, a page that is older than it may be is served as it is."""
    account = read_account([line(outcome=outcome), line(outcome=outcome)], 0)
    assert (account.hits, account.misses, account.is_closed) == (2, (), True)


def test_what_was_not_in_the_store_is_a_miss_with_the_sentence_that_mends_it() -> None:
    missing = line(
        outcome="error", cache_status="drydock; fwd=uri-miss; detail=offline", error="Not there. drydock warm --url U"
    )
    assert read_account([missing], 0).misses == (Miss(f"GET {URL}", "Not there. drydock warm --url U"),)


@pytest.mark.parametrize("outcome", ["miss", "collapsed", "pass"])
def test_what_was_fetched_is_a_miss_too(outcome: str) -> None:
    assert len(read_account([line(outcome=outcome)], 1).misses) == 1


def test_a_tunnel_that_offline_cannot_open_is_a_miss() -> None:
    refused = json.dumps({"event": "tunnel", "host": "api.example.net", "port": 443, "outcome": "offline", "error": "Offline."})
    assert read_account([refused], 0).misses == (Miss("api.example.net:443", "Offline."),)


def test_what_the_policy_refuses_is_no_miss() -> None:
    """Fetching it would not help: the policy has to allow it."""
    refused = line(outcome="error", status=403, cache_status="drydock; fwd=bypass; detail=policy", error="Refused.")
    assert read_account([refused], 0).is_closed


@pytest.mark.parametrize(
    ("command", "misses", "upstream", "allowed", "status"),
    [
        (0, 0, 0, False, 0),
        (0, 1, 0, False, 1),
        (0, 0, 1, False, 1),
        (0, 1, 1, True, 0),
        (7, 0, 0, False, 7),
        (7, 1, 0, True, 7),
        (143, 1, 0, False, 143),
    ],
)
def test_a_miss_fails_a_run_that_succeeded_unless_misses_are_allowed(
    command: int, misses: int, upstream: int, allowed: bool, status: int
) -> None:
    account = Account(upstream, 5, (Miss("GET x", ""),) * misses)
    assert exit_status(command, account, misses_allowed=allowed) == status
