"""The name in a TLS greeting, read from what real clients send and from what nobody should."""

import random
import ssl

import pytest
from drydock_proxy.front.greeting import looks_like_tls, server_name


def greeting(name: str | None) -> bytes:
    """Return what OpenSSL sends first to a host."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def test_the_name_is_found_in_a_whole_greeting_alone() -> None:
    """However much of it is there, no other name is found, and what follows it changes nothing."""
    whole = greeting("assets.example")
    assert {server_name(whole[:count]) for count in range(len(whole))} == {None}
    assert server_name(whole) == server_name(whole + b"more") == "assets.example"
    assert looks_like_tls(whole)


def test_a_greeting_without_a_name_has_none() -> None:
    """A client that connects to an address sends none."""
    assert server_name(greeting(None)) == ""
    assert server_name(greeting("127.0.0.1")) == ""


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x00\x06\x02\x00\x00\x02\xff\xff",
        b"\x15\x03\x01\x00\x02\x02\x28",
    ],
)
def test_what_is_no_greeting_has_no_name(data: bytes) -> None:
    """Others decide about it."""
    assert server_name(data) == ""


def test_no_greeting_breaks_the_reader() -> None:
    """Bytes that are changed anywhere give a name, none, or more to wait for, and never an error."""
    whole = greeting("assets.example")
    chance = random.Random(20)
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        found = server_name(bytes(data))
        assert found is None or isinstance(found, str)


def test_two_names_are_none() -> None:
    """A list of names that others could choose from otherwise is given to nobody."""
    whole = greeting("assets.example")
    entry = b"\x00\x00\x0e" + b"assets.example"
    assert whole.count(entry) == 1
    twice = whole.replace(b"\x00\x00\x00\x13\x00\x11" + entry, b"\x00\x00\x00\x24\x00\x22" + entry * 2)
    added = len(twice) - len(whole)
    assert added == 17
    position = twice.index(b"\x00\x00\x00\x24\x00\x22")
    lengths = bytearray(twice)
    for place, size in ((3, 2), (6, 3)):
        lengths[place : place + size] = (int.from_bytes(twice[place : place + size]) + added).to_bytes(size)
    extensions = _extensions_at(whole)
    lengths[extensions : extensions + 2] = (int.from_bytes(twice[extensions : extensions + 2]) + added).to_bytes(2)
    assert extensions < position
    assert server_name(bytes(lengths)) == ""


def _extensions_at(data: bytes) -> int:
    """Return where the length of the extensions stands."""
    place = 5 + 4 + 2 + 32
    place += 1 + data[place]
    place += 2 + int.from_bytes(data[place : place + 2])
    return place + 1 + data[place]
