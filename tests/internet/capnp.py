"""Cap'n Proto pointers, read from one flat segment (https://capnproto.org/encoding.html)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

WORD = 8  # bytes
SIGN = 1 << 29  # of a pointer's 30-bit offset


class Kind(IntEnum):
    """The low two bits of a pointer."""

    STRUCT = 0
    LIST = 1


# A list's three-bit element size → bits of one element, for elements without pointers.
ELEMENT_BITS = {0: 0, 1: 1, 2: 8, 3: 16, 4: 32, 5: 64}
POINTERS = 6
STRUCTS = 7


@dataclass(frozen=True)
class Struct:
    """Where a struct lies: its first word, and how many words of data and of pointers it has."""

    start: int
    data: int
    pointers: int

    @property
    def end(self) -> int:
        """Return the word after the struct itself."""
        return self.start + self.data + self.pointers

    def pointer_words(self) -> range:
        """Return the words that hold its pointers."""
        return range(self.start + self.data, self.end)


@dataclass(frozen=True)
class Segment:
    """Bytes whose pointers are relative to where they stand."""

    data: bytes

    def word(self, index: int) -> int:
        """Return a word as an unsigned number."""
        value: int = struct.unpack_from("<Q", self.data, index * WORD)[0]
        return value

    def struct_at(self, index: int) -> Struct:
        """Return the struct that the pointer in a word leads to."""
        pointer = self.word(index)
        if pointer & 3 != Kind.STRUCT:
            raise ValueError(f"word {index}: expected a struct pointer, found {pointer:#x}")
        return Struct(index + 1 + _offset(pointer), pointer >> 32 & 0xFFFF, pointer >> 48)

    def end_of(self, index: int) -> int:
        """Return the word after everything that can be reached from the pointer in a word."""
        end = index + 1
        waiting = [index]
        while waiting:
            for reached, pointers in self._behind(waiting.pop()):
                end = max(end, reached)
                waiting += pointers
        return end

    def _behind(self, index: int) -> Iterator[tuple[int, range]]:
        """Yield, for each thing right behind a pointer, the word after it and the words of its own pointers."""
        pointer = self.word(index)
        if pointer == 0:
            return
        if pointer & 3 == Kind.STRUCT:
            found = self.struct_at(index)
            yield found.end, found.pointer_words()
            return
        if pointer & 3 != Kind.LIST:
            raise ValueError(f"word {index}: the message is not one flat segment")
        start, size, count = index + 1 + _offset(pointer), pointer >> 32 & 7, pointer >> 35
        if size == STRUCTS:  # count is in words; a tag says how many structs of which shape follow
            tag = self.word(start)
            data, pointers = tag >> 32 & 0xFFFF, tag >> 48
            yield start + 1 + count, range(0)
            for item in range(_offset(tag)):
                element = Struct(start + 1 + item * (data + pointers), data, pointers)
                yield element.end, element.pointer_words()
        elif size == POINTERS:
            yield start + count, range(start, start + count)
        else:
            yield start + -(-count * ELEMENT_BITS[size] // 64), range(0)


def _offset(pointer: int) -> int:
    """Return the signed offset, in words, that lies above a pointer's kind."""
    value = (pointer & 0xFFFFFFFF) >> 2
    return value - 2 * SIGN if value & SIGN else value
