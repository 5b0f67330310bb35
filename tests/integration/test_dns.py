"""The resolver of the sealed network: allowed names lead to the proxy, all others nowhere, and nobody else is asked."""

import socket
import struct
import time
from dataclasses import dataclass

import pytest

from tests.integration.conftest import World

A, NS, TXT, AAAA, HTTPS, ANY = 1, 2, 16, 28, 65, 255
NOERROR, NXDOMAIN, NOTIMP = 0, 3, 4


@dataclass(frozen=True)
class Names:
    """An answer: its code, and the addresses in it."""

    code: int
    addresses: tuple[str, ...]


def question(name: str, kind: int) -> bytes:
    """Return a query with recursion desired (RFC 1035 §4.1)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", 0x1234, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, 1)


def understood(asked: bytes, answer: bytes) -> Names:
    """Read an answer to `asked`, which repeats the question."""
    number, flags, questions, answers, _, _ = struct.unpack("!6H", answer[:12])
    assert (number, flags >> 15, questions) == (0x1234, 1, 1)
    assert answer[12 : len(asked)].lower() == asked[12:].lower()
    rest, addresses = answer[len(asked) :], []
    for _ in range(answers):
        length = 2 if rest[0] >= 0xC0 else rest.index(b"\0") + 1
        kind, _, lifetime, size = struct.unpack("!HHIH", rest[length : length + 10])
        assert (kind, size) == (A, 4)
        assert 0 < lifetime <= 300
        addresses.append(socket.inet_ntoa(rest[length + 10 : length + 14]))
        rest = rest[length + 14 :]
    return Names(flags & 15, tuple(addresses))


def resolve(world: World, transport: str, name: str, kind: int = A) -> Names:
    """Ask the proxy's resolver."""
    asked = question(name, kind)
    if transport == "udp":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
            connection.settimeout(5)
            connection.sendto(asked, world.proxy.dns_address)
            return understood(asked, connection.recv(4096))
    with socket.create_connection(world.proxy.dns_address, timeout=5) as connection:
        connection.sendall(struct.pack("!H", len(asked)) + asked)
        (length,) = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
        return understood(asked, connection.recv(length, socket.MSG_WAITALL))


transports = pytest.mark.parametrize("transport", ["udp", "tcp"])


@transports
@pytest.mark.parametrize("name", ["assets.example", "ASSETS.Example", "index.example", "tunnel.example", "any.wild.example"])
def test_a_name_that_the_policy_allows_leads_to_the_proxy(world: World, transport: str, name: str) -> None:
    """A is the proxy's own address, for intercepted and tunnelled names, wildcards and any case."""
    assert resolve(world, transport, name) == Names(NOERROR, ("10.1.2.3",))


@transports
@pytest.mark.parametrize("kind", [AAAA, HTTPS, TXT, NS, ANY])
def test_an_allowed_name_has_no_records_of_other_types(world: World, transport: str, kind: int) -> None:
    """AAAA and the like are empty and no error, so that clients go on to the A record at once."""
    assert resolve(world, transport, "assets.example", kind) == Names(NOERROR, ())


@transports
@pytest.mark.parametrize("kind", [A, AAAA])
@pytest.mark.parametrize("name", ["unknown.example", "denied.example", "wild.example", "localhost", "4.3.2.10.in-addr.arpa"])
def test_other_names_do_not_exist(world: World, transport: str, name: str, kind: int) -> None:
    """NXDOMAIN comes at once."""
    started = time.monotonic()
    assert resolve(world, transport, name, kind) == Names(NXDOMAIN, ())
    assert time.monotonic() - started < 1


def test_a_refused_name_is_logged_once_with_the_line_that_would_allow_it(world: World) -> None:
    """The journal names the line of the policy, and a client that asks again and again does not fill it."""
    for _ in range(5):
        resolve(world, "udp", "asked-often.example")
    line = world.proxy.wait_for_line(lambda line: line.get("host") == "asked-often.example")
    assert (line["event"], line["outcome"]) == ("dns", "refused")
    assert 'Add "asked-often.example" to `tunnel`' in line["mend"]
    assert sum(line.get("host") == "asked-often.example" for line in world.proxy.log_lines()) == 1
    assert world.proxy.stats()["names_refused"] >= 5


def test_nonsense_is_survived(world: World) -> None:
    """Packets that are no questions are dropped or refused, and the next question is answered."""
    asked = question("assets.example", A)
    nonsense = [b"", b"\0", asked[:20], asked[:12] + b"\xc0\x0c\0\1\0\1", asked[:12] + b"\x3f" + b"x" * 10, bytes(600), asked[:12],
                struct.pack("!6H", 1, 0x8180, 1, 0, 0, 0) + asked[12:], asked[:12] + b"\5\xff\xfe\xfd\xfc\xfb\0\0\1\0\1",
                struct.pack("!6H", 1, 0x2800, 1, 0, 0, 0) + asked[12:], struct.pack("!6H", 1, 0x100, 2, 0, 0, 0) + asked[12:]]  # fmt: skip
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        for packet in nonsense:
            connection.sendto(packet, world.proxy.dns_address)
    for packet in nonsense:
        with socket.create_connection(world.proxy.dns_address, timeout=5) as stream:
            stream.sendall(struct.pack("!H", len(packet)) + packet)
    assert resolve(world, "udp", "assets.example") == Names(NOERROR, ("10.1.2.3",))
    assert resolve(world, "tcp", "assets.example") == Names(NOERROR, ("10.1.2.3",))


def test_an_answer_gets_no_answer(world: World) -> None:
    """Two servers that answer each other's answers would never end; what is asked behind it is answered."""
    asked = question("assets.example", A)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(5)
        connection.sendto(b"\x99\x99\x81\x80" + asked[4:], world.proxy.dns_address)
        connection.sendto(asked, world.proxy.dns_address)
        assert connection.recv(4096)[:2] == asked[:2]


def test_another_operation_than_a_query_is_not_carried_out(world: World) -> None:
    """An update is answered with "not implemented"."""
    asked = question("assets.example", A)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(5)
        connection.sendto(asked[:2] + b"\x28\x00" + asked[4:], world.proxy.dns_address)
        assert connection.recv(4096)[3] & 15 == NOTIMP


@transports
def test_questions_without_end_are_answered_and_not_kept(world: World, transport: str) -> None:
    """Four thousand from one connection, or one port, each with a number of its own: all come back, and memory stays."""
    asked = question("assets.example", A)
    before = world.proxy.memory()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM) as connection:
        connection.settimeout(5)
        connection.connect(world.proxy.dns_address)
        stream = connection.makefile("rb") if transport == "tcp" else None
        for number in range(4000):
            numbered = number.to_bytes(2) + asked[2:]
            connection.sendall(len(asked).to_bytes(2) + numbered if stream else numbered)
            answer = stream.read(int.from_bytes(stream.read(2))) if stream else connection.recv(4096)
            assert answer[:2] == number.to_bytes(2)
        if stream:
            stream.close()
    assert world.proxy.memory() < before + 4


def test_no_other_resolver_is_ever_asked(world: World) -> None:
    """Answering names opens no connection."""
    before = world.proxy.stats()["upstream_connections"]
    for name in ("assets.example", "unknown.example"):
        resolve(world, "udp", name)
    assert world.proxy.stats()["upstream_connections"] == before
