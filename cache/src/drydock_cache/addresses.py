"""The address guard: which resolved addresses an upstream connection may go to."""

import ipaddress

# Not `is_global`: it also refuses ranges that are merely reserved for documents, which some closed networks do route.
_PRIVATE = tuple(
    ipaddress.ip_network(block)
    for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "fc00::/7", "fec0::/10")
)
_NEVER = tuple(
    ipaddress.ip_network(block)
    for block in (
        "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "::/128", "::1/128", "fe80::/10", "ff00::/8",
        # metadata services of clouds that are not link-local: Azure, Alibaba, Amazon, Google
        "168.63.129.16/32", "100.100.100.200/32", "fd00:ec2::254/128", "fd20:ce::254/128",
    )
)  # fmt: skip
# Their last 32 bits are an IPv4 address: IPv4-compatible (RFC 4291 §2.5.5.1), translated (RFC 2765) and NAT64 (RFC 6052, RFC 8215).
_IPV4_AT_THE_END = tuple(
    ipaddress.ip_network(block) for block in ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
# The 32 bits before an IPv4 address, in any network (ISATAP, RFC 5214 §6.1).
_ISATAP = (0x00005EFE, 0x02005EFE)

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def forbidden(address: str, *, private_allowed: bool) -> str | None:
    """Say why no connection may go to `address` (a numeric IPv4 or IPv6 address), or return None when one may.

    Loopback, link-local (with the clouds' metadata services), unspecified, multicast and reserved addresses are always
    refused; private ones unless `private_allowed`. Addresses that carry an IPv4 address inside are judged by it.
    """
    parsed = _embedded(ipaddress.ip_address(address.partition("%")[0]))
    if any(parsed in block for block in _NEVER):
        return "a loopback, link-local or reserved address"
    if not private_allowed and any(parsed in block for block in _PRIVATE):
        return "a private address"
    return None


def _embedded(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    within = any(address in block for block in _IPV4_AT_THE_END) or int(address) >> 32 & 0xFFFFFFFF in _ISATAP
    if int(address) > 1 and within:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
