"""Impostors: what a network answers in place of the host that was asked, told apart before anybody gets it or it is stored."""

import re
import zlib
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

from drydock_cache.download import Head
from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.index import Headers

# What filters and proxies put into pages of their own, and into no answer that they pass on: the field, and how its value begins.
_MARKS = (
    ("x-squid-error", ""),
    ("x-bluecoat-error", ""),
    ("x-websense-error", ""),
    ("x-zscaler-block", ""),
    ("x-blocked-by", ""),
    *(
        ("server", name)
        for name in ("squid", "zscaler", "bluecoat", "blue coat", "proxysg", "mcafee", "skyhigh", "fortigate", "fortiproxy", "fortiweb",
                     "cisco umbrella", "openDNS", "websense", "forcepoint", "sophos", "barracuda", "netskope", "tinyproxy")
    ),
)  # fmt: skip
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NETWORK_LOGIN = 511  # RFC 6585 §6
_SIMPLE = "application/vnd.pypi.simple"
_ENOUGH = 64 << 10
# PEP 503: an index page links to release files, whose names end in one of these, or to projects, which are folders.
_HREF = re.compile(rb"""<a\b[^>]*?\bhref\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)
_RELEASE = re.compile(rb"\.(?:whl|tar\.gz|tgz|tar\.bz2|tar\.xz|zip|egg)(?:[#?].*)?\Z", re.IGNORECASE)
_PROJECT = re.compile(rb"(?:\.?\.?/)?(?:[^/:]+/)*[A-Za-z0-9._-]+/\Z")
_VERSION = b"pypi:repository-version"
_NO_INDEX = re.compile(rb"<(?:form|script|iframe)\b|http-equiv\s*=\s*[\"']?refresh", re.IGNORECASE)

type Allows = Callable[[str], bool]


def refuse_impostor(url: str, head: Head) -> None:
    """Raise UpstreamError for an answer that says itself that a filter, a proxy or a login page made it."""
    who = _marked(head.headers)
    if who is None and head.status != _NETWORK_LOGIN:
        return
    raise _filtered(url, f"{who or 'the network'} answered {head.status}")


def refuse_portal(url: str, head: Head, allows: Allows) -> None:
    """Raise UpstreamError for a redirect that leads away from an index page to where no client could follow."""
    location = head.header("location")
    if head.status not in _REDIRECTS or location is None:
        return
    target = urljoin(head.url, location)
    there, here = urlsplit(target), urlsplit(head.url)
    downgraded = here.scheme == "https" and there.scheme != "https"
    if there.hostname == here.hostname and not downgraded:
        return
    if downgraded or not allows(target):
        place = f"{there.scheme}://{there.hostname}"
        raise UpstreamError(
            UpstreamFailure.FILTERED,
            f"Instead of {url} came a redirect ({head.status}) to {place}, as captive portals send; it was not stored.",
            f'Log in to the network, then try again; if it is a mirror of yours, add "{there.hostname}" to revalidate in drydock.toml.',
        )


def refuse_wrong_kind(url: str, accept: str, head: Head) -> None:
    """Raise UpstreamError for HTML that answers a package manager which did not ask for any."""
    if head.status == 200 and _is_html(head) and "json" in accept and "html" not in accept:
        raise _filtered(url, "an HTML page came")


def page_inspection(url: str, accept: str) -> Callable[[Head, bytes], None] | None:
    """Return what looks at the beginning of an index page where a login page could pass for one, or None where none could.

    It raises UpstreamError for HTML that is no index page as PEP 503 has it.
    """
    if _SIMPLE not in accept:
        return None

    def inspect(head: Head, beginning: bytes) -> None:
        if head.status == 200 and _is_html(head) and not is_index_page(_decoded(head, beginning)):
            raise _filtered(url, "an HTML page came that is no package index")

    return inspect


def is_index_page(html: bytes) -> bool:
    """Tell a package index in HTML, or its beginning, from other pages."""
    if _VERSION in html:
        return True
    if _NO_INDEX.search(html):
        return False
    links = [match[1] for match in _HREF.finditer(html)]
    return any(_RELEASE.search(link) or _PROJECT.match(link) for link in links)


def _marked(headers: Headers) -> str | None:
    for name, value in headers:
        for field, beginning in _MARKS:
            if name == field and value.lower().startswith(beginning.lower()):
                return f"the network's filter or proxy ({name}: {value[:60]})"
    return None


def _is_html(head: Head) -> bool:
    return (head.header("content-type") or "").partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml")


def _decoded(head: Head, data: bytes) -> bytes:
    if (head.header("content-encoding") or "").strip().lower() not in ("gzip", "x-gzip"):
        return data[:_ENOUGH]
    try:
        return zlib.decompressobj(wbits=31).decompress(data, _ENOUGH)
    except zlib.error:
        return b""


def _filtered(url: str, what: str) -> UpstreamError:
    host = urlsplit(url).hostname
    return UpstreamError(
        UpstreamFailure.FILTERED,
        f"Instead of {url} {what}, as filters and captive portals send; it was not stored.",
        f"Log in to the network, or ask for {host} to be allowed, then try again.",
    )
