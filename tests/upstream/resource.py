"""What a test server offers at a path, and how it behaves when asked."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Behaviour(StrEnum):
    """How an upstream answers; all but OK break a rule or a hope."""

    OK = "ok"  # validation, ranges, HEAD and variants as RFC 9110 has them
    CHUNKED = "chunked"  # right, without Content-Length
    CL_SHORT = "cl_short"  # half of what Content-Length announces, then a clean close
    TRUNCATE_CHUNKED = "truncate_chunked"  # closes inside a chunk
    CHUNK_NO_END = "chunk_no_end"  # every chunk, but not the last, empty one
    RESET_MID = "reset_mid"  # half, then RST
    NO_CL_CLOSE = "no_cl_close"  # neither length nor chunks; half of the body, then a close
    HTML403 = "html403"  # a company's refusal, marked public
    HTML200 = "html200"  # a captive portal
    PARTIAL_FOR_200 = "206_for_200"  # 206 although no Range was sent
    UNCONDITIONAL_304 = "304_unconditional"  # 304 although no validator was sent
    SETCOOKIE = "setcookie"
    STATUS503 = "status503"
    DUP_CL = "dup_cl"  # two Content-Lengths that differ
    CL_TE = "cl_te"  # Content-Length and chunks
    WRONGBYTES_ONCE = "wrongbytes_once"  # the first answer has other bytes of the right length
    SLOW = "slow"  # right, in pieces over a second
    STALL_MID = "stall_mid"  # half, then silence for as long as the client waits
    EARLY_HINT = "early_hint"  # 103 before the answer
    REDIRECT_LOOP = "redirect_loop"
    BIGHEADER = "bigheader"  # one header of 1 MB
    MANYHEADERS = "manyheaders"  # 20,000 headers
    NUL_HEADER = "nul_header"  # a NUL in a header's value
    FLAP = "flap"  # 503 to every odd request
    INFINITE = "infinite"  # chunks without end
    TRICKLE = "trickle"  # chunks of a byte without end, one each 20 ms
    # ok to a plain GET, with Accept-Ranges: bytes; to one with a Range:
    RANGE_IGNORED = "range_ignored"  # everything, with 200
    RANGE_SHIFTED = "range_shifted"  # the bytes that follow, with their Content-Range
    RANGE_MISLABELLED = "range_mislabelled"  # the bytes that follow, said to be those that were asked for
    RANGE_OTHER_TAG = "range_other_tag"  # of another version, from the 3rd answer on
    RANGE_SHORT = "range_short"  # right, but half of it, as Content-Length says
    RANGE_LONG = "range_long"  # right, with more behind it than was asked for, in chunks
    RANGE_CUT = "range_cut"  # right, but half of it, then a close; every second time
    RANGE_EMPTY = "range_empty"  # a head and a close for one that has an end; right for one without
    RANGE_503 = "range_503"  # refused, from the 4th answer on


class Gate:
    """Holds an answer half-way until the test opens it, so that nothing depends on timing."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._opened = threading.Event()

    def wait_reached(self, seconds: float = 10) -> None:
        """Wait until an answer is held; raise TimeoutError after `seconds`."""
        if not self._reached.wait(seconds):
            raise TimeoutError(f"no answer reached the gate within {seconds} s")

    def open(self) -> None:
        """Let this answer and all later ones go on."""
        self._opened.set()

    def reach(self) -> bool:
        """Say that an answer is held, and return whether it may go on."""
        self._reached.set()
        return self._opened.is_set()


@dataclass(frozen=True)
class Resource:
    """A body with its metadata and its behaviour."""

    body: bytes = b""
    behaviour: Behaviour = Behaviour.OK
    status: int = 200
    content_type: str = "application/octet-stream"
    etag: str | None = None  # with its quotes
    last_modified: str | None = None  # an HTTP date
    cache_control: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    variants: Mapping[str, bytes] = field(default_factory=dict)  # media type → body; answered with Vary: Accept
    ranges: bool = True
    cuts: tuple[int | None, ...] = ()  # bytes of body after which the 1st, 2nd, … answer is cut off; None: whole
    gate: Gate | None = None
    rate: int | None = None  # bytes a second of each answer, sent in steps
