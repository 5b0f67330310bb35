"""Reading HTTP header fields: lists with quoted strings, Cache-Control, dates and entity tags."""

import calendar
import re
from collections.abc import Sequence
from datetime import datetime

Headers = Sequence[tuple[str, str]]
"""Header fields in the order received, names in lower case; a name may occur more than once."""

MAX_DELTA = 2**31
"""What an overlong number of seconds counts as (RFC 9111 §1.2.2)."""

_MEMBER = re.compile(r'(?:"(?:\\.|[^"\\])*"?|[^",])+')
_DIRECTIVE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*(?:=[ \t]*(.*))?", re.DOTALL)
_ETAG = re.compile(r'(?:W/)?"[^"]*"')
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_MONTH = "(?P<month>" + "|".join(_MONTHS) + ")"
_CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_DATES = (
    re.compile(rf"[A-Z][a-z]{{2}}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_CLOCK} GMT"),
    re.compile(rf"[A-Z][a-z]{{5,8}}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_CLOCK} GMT"),
    re.compile(rf"[A-Z][a-z]{{2}} {_MONTH} (?P<day>[ \d]\d) {_CLOCK} (?P<year>\d{{4}})"),
)


def values(headers: Headers, name: str) -> list[str]:
    """List the field lines with this lower-case name."""
    return [value for field, value in headers if field == name]


def first(headers: Headers, name: str) -> str | None:
    """Return the first field line with this lower-case name, or None."""
    return next((value for field, value in headers if field == name), None)


def members(headers: Headers, name: str) -> list[str]:
    """List the members of a comma-separated field over all its lines, quoted commas not counted (RFC 9110 §5.6.1)."""
    found = (member.strip() for line in values(headers, name) for member in _MEMBER.findall(line))
    return [member for member in found if member]


def cache_control(headers: Headers) -> dict[str, str | None]:
    """Read Cache-Control into lower-case directives with unquoted arguments; of a repeated one the first counts (§4.2.1).

    Members that are no directives are passed over, as are empty ones (RFC 9111 §5.2).
    """
    directives: dict[str, str | None] = {}
    for member in members(headers, "cache-control"):
        if match := _DIRECTIVE.fullmatch(member):
            argument = match[2]
            if argument is not None and argument.startswith('"'):
                argument = re.sub(r"\\(.)", r"\1", argument[1:].removesuffix('"'))
            directives.setdefault(match[1].lower(), argument)
    return directives


def delta_seconds(text: str | None) -> int | None:
    """Read a number of seconds; overlong ones are capped, anything else than digits is None (RFC 9111 §1.2.2)."""
    if text is None or not (text.isascii() and text.isdigit()):
        return None
    return MAX_DELTA if len(text) > 10 else min(int(text), MAX_DELTA)


def http_date(text: str | None) -> float | None:
    """Read an HTTP date in any of its three formats as seconds since 1970; None for anything else (RFC 9110 §5.6.7)."""
    for form in _DATES:
        if text is not None and (match := form.fullmatch(text.strip())):
            year = int(match["year"])
            if year < 100:
                year += 2000 if year < 70 else 1900
            # A leap second has no place of its own in seconds since 1970.
            second = min(int(match["second"]), 59) if match["second"] == "60" else int(match["second"])
            try:
                moment = datetime(
                    year,
                    _MONTHS.index(match["month"]) + 1,
                    int(match["day"]),
                    int(match["hour"]),
                    int(match["minute"]),
                    second,
                )
            except ValueError:
                return None
            return float(calendar.timegm(moment.timetuple()))
    return None


def entity_tags(headers: Headers, name: str) -> list[str]:
    """List the entity tags, weak marks included, of `etag` or `if-none-match` (RFC 9110 §8.8.3)."""
    return [tag for line in values(headers, name) for tag in _ETAG.findall(line)]
