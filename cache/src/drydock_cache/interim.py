"""Interim responses: what upstream says before its answer is told to whoever waits for that (RFC 9110 §15.2).

httpcore drops them. So what a connection brings is heard on its way there, and passes unchanged.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import NamedTuple

import h11
import httpcore

# Nobody has that much to say before an answer; it would be held for a client that does not read.
_MOST = 32
_FINAL = re.compile(rb"HTTP/\d\.\d [2-9]")


class Interim(NamedTuple):
    """A response of 1xx: its status, and its headers with lower-case names."""

    status: int
    headers: tuple[tuple[str, str], ...]


type Tell = Callable[[Interim], None]


class Ear:
    """Hears the interim responses to one request; `begin` it when its answer is waited for."""

    def __init__(self, tell: Tell | None) -> None:
        self._tell = tell
        self._http: h11.Connection | None = None
        self._heard = 0

    def begin(self) -> None:
        """Take what is read from now on for the beginning of a response."""
        self._http = h11.Connection(h11.CLIENT)
        self._http.send(h11.Request(method="GET", target="/", headers=[("host", "upstream.invalid")]))

    def hear(self, data: bytes) -> None:
        """Take in what was read; raise httpcore.RemoteProtocolError where the interim responses do not end."""
        if self._http is None:
            return
        if not self._heard and _FINAL.match(data):  # as most are, and need not be parsed twice
            self._http = None
            return
        try:
            self._http.receive_data(data)
            while isinstance(event := self._http.next_event(), h11.InformationalResponse):
                self._note(event)
        except h11.RemoteProtocolError:  # httpcore's to say
            self._http = None
            return
        if event is not h11.NEED_DATA:
            self._http = None

    def _note(self, event: h11.InformationalResponse) -> None:
        self._heard += 1
        if self._heard > _MOST:
            raise httpcore.RemoteProtocolError(f"more than {_MOST} interim responses came before the answer")
        if self._tell is not None:
            self._tell(
                Interim(
                    event.status_code, tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
                )
            )


_EAR: ContextVar[Ear | None] = ContextVar("ear", default=None)


@contextlib.contextmanager
def listening(tell: Tell | None) -> Iterator[Ear]:
    """Have an ear for what this task reads from its connection."""
    ear = Ear(tell)
    token = _EAR.set(ear)
    try:
        yield ear
    finally:
        _EAR.reset(token)


def overhear(data: bytes) -> None:
    """Let this task's ear, where it has one, hear what a connection brought."""
    if (ear := _EAR.get()) is not None:
        ear.hear(data)
