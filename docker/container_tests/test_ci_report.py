"""What a run in a CI container says at its end, and the status that follows from it."""

import pytest
from ci_report import certify, exit_status, lines
from drydock_cache.lockfile import Locks
from drydock_proxy.record import Asked, Record

WHEEL = "https://files.example.net/a.whl"


def recorded(*asked: Asked, connections: int = 0) -> dict[str, object]:
    """Return what the proxy's status port says after these requests."""
    record = Record()
    for one in asked:
        record.note(one)
    return record.snapshot(connections) | {"mode": "offline", "ended": record.started + 1, "versions": {"drydock": "1.0"}}


def asked(outcome: str, url: str = WHEEL) -> Asked:
    return Asked("GET", url, "127.0.0.1", "uv/0.13", 200 if outcome == "hit" else 504, outcome)


def test_the_last_line_begins_with_the_numbers_that_count() -> None:
    found = lines(certify(recorded(asked("hit"), asked("hit")), Locks(), ["sync"], 0))
    assert len(found) == 1
    assert found[0].startswith("0 upstream connections, 2 hits, 0 misses;")


def test_a_miss_is_listed_with_its_url_and_the_command_that_mends_it() -> None:
    found = lines(certify(recorded(asked("error")), Locks(), ["pytest", "-k", "a b"], 0))
    assert WHEEL in found[0]
    assert "drydock rehearse --add -- pytest -k 'a b'" in found[1]
    assert found[-1].startswith("0 upstream connections, 0 hits, 1 misses;")


def test_of_very_many_misses_the_first_are_listed_and_the_others_counted() -> None:
    found = lines(certify(recorded(*(asked("error", f"{WHEEL}{number}") for number in range(50))), Locks(), ["sync"], 1))
    assert len(found) == 20 + 3
    assert found[20] == "and 30 more"


@pytest.mark.parametrize(
    ("command", "outcome", "connections", "allowed", "status"),
    [
        (0, "hit", 0, False, 0),
        (0, "error", 0, False, 3),
        (0, "hit", 1, False, 3),  # offline, no connection may even be tried
        (0, "error", 1, True, 0),
        (7, "hit", 0, False, 7),
        (7, "error", 0, False, 7),
        (143, "error", 0, True, 143),
    ],
)
def test_a_miss_fails_a_run_that_succeeded_unless_misses_are_allowed(
    command: int, outcome: str, connections: int, allowed: bool, status: int
) -> None:
    certificate = certify(recorded(asked(outcome), connections=connections), Locks(), ["sync"], command)
    assert exit_status(certificate, misses_allowed=allowed) == status
