"""Every error that a user may see: one sentence that says what failed, and the command or edit that mends it."""

import re
from enum import StrEnum

_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
_QUERY = re.compile(r"(https?://[^\s?\"'<>]+\?)[^\s\"'<>]+")


def mask_credentials(text: str) -> str:
    """Return `text` with the userinfo part of every URL in it replaced by `***`, and its query, often a signature, by `…`."""
    return _QUERY.sub(r"\1…", _USERINFO.sub("***@", text))


class DrydockError(Exception):
    """Base of all errors that are reported without a traceback.

    `message` is a full sentence (what failed, on which file or URL, what was expected, what was found); `remedy` says
    what to do about it and may be empty.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = mask_credentials(message)
        self.remedy = mask_credentials(remedy)
        super().__init__(f"{self.message} {self.remedy}".strip())


class ConfigError(DrydockError):
    """A setting, configuration file or certificate file is wrong."""


class StoreError(DrydockError):
    """The store cannot be read or written."""


class DigestError(DrydockError):
    """A text that should be a digest is none."""


class UpstreamFailure(StrEnum):
    """Why an upstream did not give what it was asked for; the value is shown in logs and in `Cache-Status`."""

    OFFLINE = "offline"
    FORBIDDEN_ADDRESS = "forbidden-address"
    NAME_NOT_FOUND = "name-not-found"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    TLS = "tls"
    PROXY_AUTH = "proxy-authentication"
    PROXY_REFUSED = "proxy-refused"
    PAC = "pac"
    PROTOCOL = "protocol"
    TRUNCATED = "truncated"
    TOO_LARGE = "too-large"
    TOO_SLOW = "too-slow"
    DIGEST_MISMATCH = "digest-mismatch"
    NOT_THE_ASSET = "not-the-asset"
    FILTERED = "filtered"
    REDIRECTS = "redirects"
    DAMAGED = "damaged"


_GATEWAY_TIMEOUT = frozenset(
    {UpstreamFailure.OFFLINE, UpstreamFailure.TIMEOUT, UpstreamFailure.TOO_SLOW, UpstreamFailure.UNREACHABLE}
)


class UpstreamError(DrydockError):
    """The upstream, or the way to it, failed; `failure` says how."""

    def __init__(self, failure: UpstreamFailure, message: str, remedy: str = "") -> None:
        self.failure = failure
        super().__init__(message, remedy)

    @property
    def status(self) -> int:
        """The HTTP status that a client is given: 504 when upstream was not reached or too slow, 502 when it gave nothing usable."""
        return 504 if self.failure in _GATEWAY_TIMEOUT else 502


def damaged(damage: StoreError, error: UpstreamError) -> UpstreamError:
    """Return the error for a stored response that did not verify and could not be fetched again."""
    return UpstreamError(
        UpstreamFailure.DAMAGED, f"{damage.message} It could not be fetched again: {error.message}", error.remedy
    )
