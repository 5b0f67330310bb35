"""Byte ranges: what a Range header selects, and what it does not (RFC 9110 §14)."""

import pytest
from drydock_cache.ranges import ByteRange, RangeNotSatisfiableError, parse_range


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=2-5", 2, 6),
        ("bytes=2-", 2, 10),
        ("bytes=2-99", 2, 10),
        ("bytes=-3", 7, 10),
        ("bytes=-99", 0, 10),
        (" Bytes = 9-9 ", 9, 10),
    ],
)
def test_one_range_selects_its_bytes(header: str, start: int, end: int) -> None:
    found = parse_range(header, 10)
    assert found == ByteRange(start, end, 10)
    assert found.content_range == f"bytes {start}-{end - 1}/10"


@pytest.mark.parametrize(
    "header", [None, "", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,4-5", "lines=0-1", "bytes=a-b", "bytes=\u00b2-"]
)
def test_what_is_no_single_range_means_the_whole(header: str | None) -> None:
    assert parse_range(header, 10) is None


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0)])
def test_a_range_outside_cannot_be_satisfied(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiableError):
        parse_range(header, size)
