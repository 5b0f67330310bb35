"""What is seen of a host on the way to it, stage by stage: the observations that findings are made from."""

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from drydock_cache.doctor.chains import Chain
from drydock_cache.errors import UpstreamError, UpstreamFailure


class Stage(StrEnum):
    """How far the way to a host was gone; the order is that of the way."""

    ROUTE = "route"  # the PAC script
    NAME = "name"
    CONNECT = "connect"
    TLS = "tls"
    ANSWER = "answer"
    DONE = "done"


class Trouble(StrEnum):
    """How a stage failed."""

    NONE = "none"
    SILENCE = "silence"  # nothing came within the stage's time
    REFUSED = "refused"
    NO_ROUTE = "no-route"
    RESET = "reset"  # cut, by RST or by an early end
    NOT_FOUND = "not-found"  # DNS says that there is no such name
    NO_DNS = "no-dns"  # DNS says that it cannot say
    FORBIDDEN = "forbidden-address"
    UNTRUSTED = "untrusted"  # the certificate did not verify
    NO_TLS = "no-tls"  # what answers speaks something else
    LOGIN = "login"  # 407
    PROXY_SAID_NO = "proxy-said-no"  # any other answer to CONNECT
    PAC = "pac"  # the script does not say where to go
    BROKEN = "broken"


@dataclass(frozen=True)
class Target:
    """A URL to ask for. `size` is that of a locked asset; without it, nothing lies there and 404 is the truth.

    `tunnelled` hosts are asked nothing but whether they answer at all.
    """

    url: str
    host: str
    port: int
    size: int | None = None
    tunnelled: bool = False


@dataclass(frozen=True)
class Answer:
    """The head of a response, with lower-case header names, the beginning of its body, and the local time it came at."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    beginning: bytes = b""
    at: float = 0.0

    def header(self, name: str) -> str:
        """Return the first value of a header, or nothing."""
        return next((value for key, value in self.headers if key == name), "")


@dataclass(frozen=True)
class HostSeen:
    """What became of asking for one target, up to the stage where it ended.

    `by` is the corporate proxy's URL; `largest` the largest MTU in bytes by which a handshake that stalled went through.
    """

    target: Target
    stage: Stage
    trouble: Trouble = Trouble.NONE
    said: str = ""
    by: str | None = None
    addresses: tuple[str, ...] = ()
    chain: Chain = field(default_factory=Chain)
    answer: Answer | None = None
    largest: int | None = None


_TROUBLES = {
    errno.ECONNREFUSED: Trouble.REFUSED,
    errno.ENETUNREACH: Trouble.NO_ROUTE,
    errno.EHOSTUNREACH: Trouble.NO_ROUTE,
    errno.ENETDOWN: Trouble.NO_ROUTE,
    errno.EADDRNOTAVAIL: Trouble.NO_ROUTE,
    errno.ECONNRESET: Trouble.RESET,
    errno.EPIPE: Trouble.RESET,
    errno.ETIMEDOUT: Trouble.SILENCE,
}


def trouble_of(error: BaseException) -> Trouble:
    """Tell from an exception, and from those behind it, what went wrong."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Trouble.UNTRUSTED
        if isinstance(cause, ssl.SSLEOFError):
            return Trouble.RESET
        if isinstance(cause, ssl.SSLError):
            return (
                Trouble.NO_TLS if (cause.reason or "") in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE") else Trouble.BROKEN
            )
        if isinstance(cause, socket.gaierror):
            nothing = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", -5))
            return Trouble.NOT_FOUND if cause.errno in nothing else Trouble.NO_DNS
        if isinstance(cause, TimeoutError):
            return Trouble.SILENCE
        if isinstance(cause, OSError) and cause.errno in _TROUBLES:
            return _TROUBLES[cause.errno]
    # httpcore's pool takes away what was behind an error that passes through it
    nameless = isinstance(error, UpstreamError) and error.failure is UpstreamFailure.NAME_NOT_FOUND
    return Trouble.NOT_FOUND if nameless else Trouble.BROKEN


def reason_of(error: BaseException) -> str:
    """Return the system's, the resolver's or TLS's own words for what went wrong, or nothing."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLCertVerificationError) and cause.reason:
            return f"TLS says: {cause.reason.replace('_', ' ').lower()}"
        if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError | TimeoutError) and cause.errno and cause.strerror:
            return os.strerror(cause.errno) if cause.errno > 0 else cause.strerror  # asyncio writes its own sentence there
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what is behind it; of several tries at once, each."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [more for more in (one.__cause__, one.__context__) if more is not None]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
