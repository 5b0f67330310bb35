"""What the closed place reads before it changes a container's resolv.conf; test_interview.py goes into the place itself."""

import pytest
from drydock_cache.sources.closed_place import resolvers_of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n", ["127.0.0.1"]),
        (
            "# nameserver 127.0.0.1\nsearch corp.example\nnameserver\t10.0.0.2\nnameserver 127.0.0.1\n",
            ["10.0.0.2", "127.0.0.1"],
        ),
        ("; generated\nnameserver\n", []),
        ("", []),
    ],
)
def test_the_resolvers_of_a_container_are_listed_in_their_order(text: str, found: list[str]) -> None:
    assert resolvers_of(text) == found
