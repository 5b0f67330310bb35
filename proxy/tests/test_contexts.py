"""Contexts of the front: as long as they may live, and what a session of one is worth at another."""

import ssl
import time
from pathlib import Path

import pytest
from drydock_proxy.authority import Authority, ForbiddenHostError, rotate
from drydock_proxy.front.contexts import Contexts

NOW = time.time()
DAY = 24 * 3600.0
HOSTS = ("assets.example", "other.example")


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def contexts(tmp_path: Path, clock: Clock) -> Contexts:
    return Contexts(Authority.open(tmp_path, HOSTS, NOW), clock)


def shake(client: ssl.SSLContext, server: ssl.SSLContext, host: str, session: ssl.SSLSession | None = None) -> ssl.SSLObject:
    """Shake hands in memory, exchange a byte, which brings the ticket, and return the client's side."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(up, down, server_side=True)
    theirs = client.wrap_bio(down, up, server_hostname=host, session=session)
    done = set[ssl.SSLObject]()
    while len(done) < 2:
        for side in (theirs, ours):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            done.add(side)
    ours.write(b"x")
    assert theirs.read(1) == b"x"
    return theirs


def test_a_context_serves_for_a_day_and_is_made_anew_then(contexts: Contexts, clock: Clock) -> None:
    """The key of its session tickets is as old as it is."""
    first = contexts.of("assets.example")
    clock.now = NOW + 0.9 * DAY
    assert contexts.of("assets.example") is first
    clock.now = NOW + 1.1 * DAY
    assert contexts.of("assets.example") is not first


def test_a_clock_that_is_set_back_makes_a_context_anew(contexts: Contexts, clock: Clock) -> None:
    """Whatever was made in a time that has not come yet is not trusted to have a valid leaf."""
    first = contexts.of("assets.example")
    clock.now = NOW - 2 * DAY
    assert contexts.of("assets.example") is not first


def test_a_rotation_counts_after_a_second(contexts: Contexts, clock: Clock, tmp_path: Path) -> None:
    """Until then no file is looked at."""
    first = contexts.of("assets.example")
    rotate(tmp_path, NOW)
    clock.now = NOW + 0.5
    assert contexts.of("assets.example") is first
    clock.now = NOW + 1.5
    assert contexts.of("assets.example") is not first


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_for_its_own_host_and_context_alone(
    contexts: Contexts, clock: Clock, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """Neither another host nor the next day's context takes a ticket: each shows its own leaf."""
    client = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    client.minimum_version = client.maximum_version = version
    today, other = contexts.of("assets.example"), contexts.of("other.example")
    clock.now = NOW + 1.1 * DAY
    tomorrow = contexts.of("assets.example")
    session = shake(client, today, "assets.example").session
    assert shake(client, today, "assets.example", session).session_reused
    assert not shake(client, tomorrow, "assets.example", session).session_reused
    assert not shake(client, other, "other.example", session).session_reused


@pytest.mark.parametrize(
    "suite", ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256", "AES128-SHA"]
)
def test_suites_without_forward_secrecy_or_authenticated_encryption_are_refused(
    contexts: Contexts, tmp_path: Path, suite: str
) -> None:
    """A client of TLS 1.2 that has nothing better gets no connection."""
    client = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers(suite)
    with pytest.raises(ssl.SSLError, match=r"NO_SHARED_CIPHER|no shared cipher"):
        shake(client, contexts.of("assets.example"), "assets.example")


def test_no_context_is_made_for_a_host_outside_the_policy(contexts: Contexts) -> None:
    """The authority's refusal is the answer."""
    with pytest.raises(ForbiddenHostError):
        contexts.of("evil.example")
