"""Host names and the patterns that name them: `host[:port][/path-glob]`, exact hosts and `*.suffix` wildcards."""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# A host whose last label is numeric is read as an address by many clients, whatever its spelling (WHATWG URL §3.5).
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9a-fA-F]*)")
_SPLIT = re.compile(r"(?P<host>\[[^\]]*\]|[^:/]*)(?P<port>:[^/]*)?(?P<path>/.*)?")
_PATH = re.compile(r"/[!-~]*")
_DOT_SEGMENT = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")
_MAX_STARS = 8
ANY_HOST = "*"


class PatternError(ValueError):
    """A host or pattern cannot be read; the text is the end of a sentence that starts with the pattern."""


def is_address(host: str) -> bool:
    """Tell whether a normalised host is an IP address, or a number that clients read as one."""
    return ":" in host or _NUMERIC.fullmatch(host) is not None


@lru_cache(maxsize=4096)
def normalise_host(text: str) -> str:
    """Return the one spelling of a host: lower case, IDNA A-labels, no trailing dot, IPv6 compressed and without brackets.

    Raise PatternError for what is no host name (RFC 1123 §2.1, underscores tolerated) and no canonical IP address.
    """
    host = text.lower().removesuffix(".")
    if host.startswith("[") or ":" in host:
        return _address(host.removeprefix("[").removesuffix("]"))
    if not host.isascii():
        host = _to_ascii(host)
    if _NUMERIC.fullmatch(host):
        return _address(host)
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise PatternError("is no host name")
    return host


def _address(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise PatternError("is neither a host name nor an IP address in its usual spelling") from None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        raise PatternError("is an IPv6 address with a zone, which means nothing to another machine")
    return str(address)


def _to_ascii(host: str) -> str:
    try:
        name = host.encode("idna").decode("ascii")
        # The standard library knows IDNA 2003 alone, which maps some letters (ß) to other names than browsers do now.
        if name.encode("ascii").decode("idna") == host:
            return name
    except UnicodeError:
        pass
    raise PatternError('cannot be translated without doubt: write its ASCII form, which begins with "xn--"')


def suffixes(host: str) -> list[str]:
    """List the patterns that may name a normalised host, the most exact first: itself, `*.suffix`es, `*`."""
    if is_address(host) or host == "localhost" or host.endswith(".localhost"):
        return [host]  # what leads to a machine without a public name is meant only when it is written out
    names = [host]
    rest = host
    while "." in rest:
        rest = rest.partition(".")[2]
        names.append(f"*.{rest}")
    return [*names, ANY_HOST]


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern: the text as written, the host (exact, `*.suffix` or `*`), and the port and path glob where written."""

    text: str
    host: str
    port: int | None = None
    path: re.Pattern[str] | None = None

    @classmethod
    def parse(cls, text: str) -> "Pattern":
        """Read `host[:port][/path-glob]`; raise PatternError with the end of a sentence for anything else."""
        _refuse_what_is_no_pattern(text)
        parts = _SPLIT.fullmatch(text)
        if parts is None or (text.count(":") > 1 and not text.startswith("[")):
            raise PatternError("is not host[:port][/path]; an IPv6 address needs brackets")
        host, port, path = parts["host"], parts["port"], parts["path"]
        return cls(text, _host(host), _port(port), _glob(path))


def _refuse_what_is_no_pattern(text: str) -> None:
    if not text:
        raise PatternError("is empty: write a host name, or remove it")
    if any(character.isspace() or not character.isprintable() for character in text):
        raise PatternError("has white space or control characters in it: write one host for each string")
    if "://" in text:
        raise PatternError(f'has a scheme: write "{text.partition("://")[2].rpartition("@")[2]}" alone')
    if "@" in text.partition("/")[0]:
        raise PatternError("has a user name in it: credentials do not belong into a pattern")
    if "?" in text or "#" in text:
        raise PatternError("has a query or fragment in it: patterns match the host and the path alone")


def _host(text: str) -> str:
    if text == ANY_HOST:
        return text
    suffix = text.removeprefix("*.")
    if "*" in suffix:
        raise PatternError('has a "*" where none may stand: a host is exact, "*.suffix" or "*"')
    host = normalise_host(suffix)
    if suffix == text:
        return host
    if is_address(host):
        raise PatternError("is a wildcard of an IP address: write each address out")
    return f"*.{host}"


def _port(text: str | None) -> int | None:
    if text is None:
        return None
    digits = text[1:]
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and 1 <= int(digits) <= 65535):
        raise PatternError(f'has the port "{digits}": expected a number from 1 to 65535')
    return int(digits)


def _glob(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    if text == "/":
        raise PatternError('ends in "/": leave it out to name every path, or write the paths that are meant')
    if not _PATH.fullmatch(text):
        raise PatternError("has a path with characters that a URL percent-encodes: write them encoded")
    if _DOT_SEGMENT.search(text):
        raise PatternError('has "." or ".." segments in its path, which no request may have')
    first, *rest = re.split(r"\*+", text)
    if len(rest) > _MAX_STARS:
        raise PatternError(f'has more than {_MAX_STARS} "*" in its path')
    if not rest:
        return re.compile(re.escape(first))
    # The shortest way to each literal is always good enough, and atomic groups keep a hostile path from backtracking.
    middle = "".join(f"(?>.*?{re.escape(literal)})" for literal in rest[:-1])
    return re.compile(f"{re.escape(first)}{middle}.*{re.escape(rest[-1])}", re.DOTALL)
