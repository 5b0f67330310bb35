"""Addresses to listen on, as they are written on the command line."""

import pytest
from drydock_cache.errors import ConfigError
from drydock_proxy.listener import Listener


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:3128", "127.0.0.1", 3128),
        ("0.0.0.0:443", "0.0.0.0", 443),
        ("3128", "127.0.0.1", 3128),
        (":3128", "127.0.0.1", 3128),
        ("localhost:0", "localhost", 0),
        ("[::1]:65535", "::1", 65535),
    ],
)
def test_what_is_written_is_understood(text: str, host: str, port: int) -> None:
    """An address and a port, or a port alone on loopback."""
    assert Listener.parse(text, "--listen") == Listener(host, port)


@pytest.mark.parametrize("text", ["", "x", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "::1", "::1:80", "a:b:1",
                                  "127.0.0.1:٣", "127.0.0.1:000080"])  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_the_option(text: str) -> None:
    """The sentence names the option and gives an example."""
    with pytest.raises(ConfigError) as refused:
        Listener.parse(text, "--tls-listen")
    assert "--tls-listen" in refused.value.message
    assert "--tls-listen 127.0.0.1:3128" in refused.value.remedy


def test_it_is_written_as_it_is_read() -> None:
    """An IPv6 address has brackets."""
    assert [str(Listener(host, 1)) for host in ("127.0.0.1", "::1")] == ["127.0.0.1:1", "[::1]:1"]


def test_any_port_becomes_a_free_one() -> None:
    """Port 0 becomes a port that can be listened on, a written one stays."""
    assert Listener("127.0.0.1", 3128).concrete().port == 3128
    assert Listener("127.0.0.1", 0).concrete().port > 0
    with pytest.raises(OSError, match="assign requested address"):
        Listener("192.0.2.1", 0).concrete()
