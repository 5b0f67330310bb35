"""The closed place's name server: answers that a resolver takes, and silence for what is no query."""

import struct

import pytest
from drydock_cache.sources.loopback_world import dns_answer, stand_in

_HEADER = struct.pack(">HHHHHH", 0xBEEF, 0x0100, 1, 0, 0, 1)
_NAME = b"\x03www\x07example\x03com\x00"
# An EDNS record after the question, as glibc sends it with some options: it must not come back in the answer.
_EDNS = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"


def _query(record_type: int, name: bytes = _NAME) -> bytes:
    return _HEADER + name + struct.pack(">HH", record_type, 1) + _EDNS


def test_an_address_query_is_answered_with_loopback() -> None:
    question = _NAME + struct.pack(">HH", 1, 1)
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + bytes([127, 0, 0, 1])
    assert dns_answer(_query(1)) == struct.pack(">HHHHHH", 0xBEEF, 0x8180, 1, 1, 0, 0) + question + record


@pytest.mark.parametrize("record_type", [28, 65, 16])
def test_other_types_exist_but_are_empty_so_that_no_resolver_asks_again(record_type: int) -> None:
    question = _NAME + struct.pack(">HH", record_type, 1)
    assert dns_answer(_query(record_type)) == struct.pack(">HHHHHH", 0xBEEF, 0x8180, 1, 0, 0, 0) + question


@pytest.mark.parametrize(
    "packet", [b"", b"\x00" * 11, _HEADER, _HEADER + b"\x3fwww", _HEADER + _NAME, _HEADER + _NAME + b"\x00\x01\x00"]
)
def test_a_cut_packet_gets_no_answer(packet: bytes) -> None:
    assert dns_answer(packet) is None


@pytest.mark.parametrize(
    ("target", "length"),
    [("/p/pyodide_1.capnp.bin", 16), ("/pyodide_1.capnp.bin?x=.tar.gz", 16), ("/", None), ("/x?y=a.tar.gz", None)],
)
def test_the_path_alone_decides_what_is_served(target: str, length: int | None) -> None:
    body = stand_in(target)
    assert (None if body is None else len(body)) == length
