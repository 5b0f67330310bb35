"""Which tests may run beside others: every one may, but for those that measure something of which others would take a share."""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import NamedTuple


class Part(Enum):
    """When a test runs: in the second process, beside it in the first, or once one process is left. Who needs more comes later."""

    PATIENT = 0
    CONTAINERS = 1
    ALONE = 2


# Most of their time they wait for compose, npm and wrangler. They share projects, so one process runs all of them in order.
CONTAINERS = ("tests/e2e",)

# What has bounds in seconds, in processor time, in pieces a second, or compares two speeds.
ALONE = (
    "bench/tests",
    "cache/tests/archive/test_speed.py",
    "cache/tests/sources/test_runtime.py",
    "cache/tests/test_ahead.py",
    "cache/tests/test_exchange.py",
    "cache/tests/test_following.py",
    "cache/tests/test_index.py",
    "cache/tests/test_kills.py",
    "cache/tests/test_login_turns.py",
    "cache/tests/test_name_lookup.py",
    "cache/tests/test_overview.py",
    "cache/tests/test_pac.py",
    "cache/tests/test_pace.py",
    "cache/tests/test_pages.py",
    "cache/tests/test_policy.py",
    "cache/tests/test_prefetch.py",
    "cache/tests/test_pumps.py",
    "cache/tests/test_room.py",
    "cache/tests/test_tcp_stream.py",
    "cache/tests/test_upstream.py",
    "cache/tests/test_upstream_hostile.py",
    "proxy/tests/test_front_limits.py",
    "proxy/tests/test_origin.py",
    "proxy/tests/test_relay.py",
    "tests/integration",
    "tests/soak",
)
# What of those has no such bound.
PATIENT = (
    "tests/integration/test_abuse.py",
    "tests/integration/test_clients.py",
    "tests/integration/test_collecting.py",
    "tests/integration/test_doctor_clients.py",
    "tests/integration/test_handshakes.py",
    "tests/integration/test_kerberos.py",
    "tests/integration/test_kills.py",
    "tests/integration/test_locks.py",
    "tests/integration/test_rebinding.py",
    "tests/integration/test_starting.py",
    "tests/integration/test_ways_in.py",
)


class Block(NamedTuple):
    """Tests that one process runs one after the other: places in the collection, those of whole modules."""

    part: Part
    tests: range


def part_of(test: str) -> Part:
    """Return the part of a test, by its id."""
    file = test.partition("::")[0]

    def below(place: str) -> bool:
        return file == place or file.startswith(f"{place}/")

    if any(map(below, CONTAINERS)):
        return Part.CONTAINERS
    return Part.ALONE if any(map(below, ALONE)) and not any(map(below, PATIENT)) else Part.PATIENT


def blocks_of(collection: Sequence[str]) -> Iterator[Block]:
    """Yield the collection cut where no module goes on behind the cut.

    Pytest mixes modules that share a fixture with parameters, one value after the other; those stay together.
    """
    last = {test.partition("::")[0]: place for place, test in enumerate(collection)}
    begun = until = 0
    for place, test in enumerate(collection):
        until = max(until, last[test.partition("::")[0]])
        if place == until:
            tests = range(begun, place + 1)
            yield Block(Part(max(part_of(collection[at]).value for at in tests)), tests)
            begun = place + 1
