"""Where the suite is cut: at modules, and at those that pytest has mixed."""

import pytest

from tests.beside.parts import ALONE, CONTAINERS, PATIENT, Block, Part, blocks_of, part_of
from tests.compose import REPOSITORY


@pytest.mark.parametrize(
    ("test", "part"),
    [
        ("tests/e2e/test_team.py::test_one[a::b]", Part.CONTAINERS),
        ("tests/integration/test_dns.py::test_one", Part.ALONE),
        ("tests/integration/test_abuse.py::test_one", Part.PATIENT),
        ("cache/tests/test_pace.py::test_one", Part.ALONE),
        ("cache/tests/test_pace_of_others.py::test_one", Part.PATIENT),
        ("workers/hello/tests/test_routes.py::test_one", Part.PATIENT),
        ("workers/hello/tests/e2e/test_routes.py::test_one", Part.PATIENT),
    ],
)
def test_a_test_belongs_to_the_part_of_its_folder_or_module(test: str, part: Part) -> None:
    """A name that only begins like that of a module counts for nothing, and neither does a parameter."""
    assert part_of(test) is part


@pytest.mark.parametrize("place", [*CONTAINERS, *ALONE, *PATIENT])
def test_every_place_that_is_named_is_there(place: str) -> None:
    """A module that was renamed would run beside others, unseen."""
    assert (REPOSITORY / place).exists()


def test_modules_are_never_cut() -> None:
    """Those whose tests pytest has mixed, for the sake of a fixture that they share, stay together."""
    collection = ["w/a::1[x]", "w/b::1[x]", "w/a::1[y]", "w/b::1[y]", "w/b::2", "tests/e2e/c::1", "w/d::1", "w/d::2"]
    assert list(blocks_of(collection)) == [
        Block(Part.PATIENT, range(5)),
        Block(Part.CONTAINERS, range(5, 6)),
        Block(Part.PATIENT, range(6, 8)),
    ]


def test_a_block_needs_what_the_most_demanding_of_its_modules_needs() -> None:
    """Beside others runs only what may run there as a whole."""
    mixed = ["tests/e2e/a::1", "w/b::1", "tests/soak/c::1", "tests/e2e/a::2", "w/d::1"]
    assert list(blocks_of(mixed)) == [Block(Part.ALONE, range(4)), Block(Part.PATIENT, range(4, 5))]
    assert list(blocks_of([])) == []
