"""The address guard: no spelling of an address leads inside."""

import ipaddress

import pytest
from drydock_cache.addresses import forbidden


def carried(address: str) -> list[str]:
    """Return the IPv6 addresses that carry an IPv4 one inside."""
    number = int(ipaddress.IPv4Address(address))
    low, high = number & 0xFFFF, number >> 16
    before = ("::ffff:", "::", "::ffff:0:", "64:ff9b::", "64:ff9b:1::", "2001:db8::5efe:", "2001:db8::200:5efe:")
    return [f"{prefix}{high:x}:{low:x}" for prefix in before] + [
        f"2002:{high:x}:{low:x}::1",
        f"2001:0:102:304::{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}",  # Teredo, with every bit turned
    ]


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.0.9", "0.0.0.0", "169.254.169.254", "192.0.0.8", "224.0.0.1", "255.255.255.255",
        "::", "::1", "fe80::1", "fe80::1%eth0", "ff02::1",
        "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16",
        *carried("127.0.0.1"), *carried("169.254.169.254"),
    ],
)  # fmt: skip
def test_loopback_metadata_and_reserved_addresses_are_never_reached(address: str, allowed: bool) -> None:
    """F40: also not for a host whose private addresses are allowed."""
    assert forbidden(address, private_allowed=allowed) == "a loopback, link-local or reserved address"


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "198.18.0.1",
        "fd12::1",
        "fec0::1",
        *carried("10.0.0.1"),
    ],
)
def test_private_addresses_are_reached_where_the_policy_says_so(address: str) -> None:
    assert forbidden(address, private_allowed=False) == "a private address"
    assert forbidden(address, private_allowed=True) is None


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "172.32.0.1", "203.0.113.5", "2606:4700::1111", "2001:db8::1", *carried("1.1.1.1")]
)
def test_the_others_are_reached(address: str) -> None:
    assert forbidden(address, private_allowed=False) is None
