"""The status port answers to no name that a stranger may own."""

import pytest
from drydock_proxy.status_names import is_answered

NAMES = ("Drydock.corp.example",)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8080",
        "10.20.0.5",
        "[::1]:8080",
        "::1",
        "localhost:8080",
        "a.localhost",
        "proxy:8080",
        "drydock.corp.example:8080",
    ],
)
def test_addresses_short_names_and_given_names_are_answered(host: str) -> None:
    assert is_answered(host, NAMES)


@pytest.mark.parametrize("host", ["evil.example:8080", "evil.example.", "127.0.0.1.evil.example", "", "localhost.evil.example"])
def test_a_name_that_somebody_else_owns_is_not(host: str) -> None:
    """A page that rebinds its own name to this machine reads nothing."""
    assert not is_answered(host, NAMES)
