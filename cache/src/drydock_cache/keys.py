"""Cache keys: what makes two requests ask for the same thing (RFC 9111 §2), with the host always part of it."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from drydock_cache.errors import ConfigError

_DEFAULT_PORT = {"http": 80, "https": 443}
_MAX_URL = 8192
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\]")
_ENCODED_TRAP = re.compile(r"%(?:00|0a|0d|5c)", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class CacheKey:
    """The normalised URL of a GET request and, for index pages, the variant that content negotiation chose.

    HEAD and Range requests share the key of the full GET. `variant` is empty for assets; for index pages it names the
    request headers that the answer depends on.
    """

    url: str
    variant: str = ""


def normalise_url(url: str) -> str:
    """Return the one spelling of an absolute http(s) URL under which it is stored.

    Scheme and host are lowered, a trailing dot of the host, a default port and the fragment are dropped; path and query stay
    as they were sent, because upstreams are free to tell spellings apart. Raise ConfigError for what could name something
    else to another reader: userinfo, control or non-ASCII characters, dot segments, encoded NULs, line ends and backslashes,
    over 8 KiB. An encoded slash stays: npm writes scoped names with one.
    """
    if len(url) > _MAX_URL:
        raise ConfigError(f"The URL is {len(url)} characters long; at most {_MAX_URL} are accepted: {url[:80]}…")
    if _FORBIDDEN.search(url):
        raise ConfigError(f"The URL {url!r} has characters that must be percent-encoded.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{url!r} is not a URL: {error}.") from None
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in _DEFAULT_PORT or not host:
        raise ConfigError(f"{url!r} is not an absolute http or https URL.")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"The URL for {host} carries credentials; they do not belong into a URL.")
    path = parts.path or "/"
    decoded_dots = re.sub("%2e", ".", path, flags=re.IGNORECASE)
    if any(segment in {".", ".."} for segment in decoded_dots.split("/")) or _ENCODED_TRAP.search(path):
        raise ConfigError(f"The path {path!r} has dot segments or encoded control characters; such paths are refused.")
    name = f"[{host}]" if ":" in host else host
    netloc = name if port in (None, _DEFAULT_PORT[parts.scheme]) else f"{name}:{port}"
    return f"{parts.scheme}://{netloc}{path}" + (f"?{parts.query}" if parts.query else "")
