"""Take the Pyodide bundle out of an old workerd, as the file that the next workerd downloads.

workerd 1.20241112.0 was the last to carry its bundle, as a Cap'n Proto constant; its successor downloads the same bytes.
The generated code keeps the constant's schema node in one flat segment: its first word leads to the node, and the node's
value leads to the bundle. All pointers are relative, so the segment becomes a message of its own when its first word leads
to the bundle instead.
"""

import struct

from tests.internet.capnp import WORD, Segment

CONSTANT = b"pyodide.capnp:pyodideBundle\0"
NODE_SHAPE = struct.pack("<HH", 5, 6)  # words of data and of pointers in a schema node of that time
NODE_POINTER = struct.pack("<I", 0) + NODE_SHAPE
VALUE = 4  # which of a node's pointers is a constant's value


def extract(binary: bytes) -> bytes:
    """Return the bundle in a workerd binary as a message of one segment."""
    name = binary.find(CONSTANT)
    start = binary.rfind(NODE_POINTER, 0, name)
    if name < 0 or start < 0:
        raise ValueError("expected a workerd that carries its Pyodide bundle (1.20241112.0), found none in this binary")
    segment = Segment(binary[start:])
    node = segment.struct_at(0)
    value = segment.struct_at(node.pointer_words()[VALUE])
    link = value.pointer_words()[0]
    bundle, end = segment.struct_at(link), segment.end_of(link)
    first_word = struct.pack("<iHH", (bundle.start - 1) << 2, bundle.data, bundle.pointers)
    segments_and_length = struct.pack("<II", 0, end)
    return segments_and_length + first_word + segment.data[WORD : end * WORD]
