"""Assets: how a response for an immutable download is asked for and judged before anybody gets it."""

from functools import partial
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from drydock_cache.answer import shareable
from drydock_cache.blobs import Blob
from drydock_cache.download import FetchRequest, Head, Verdict
from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.impostors import refuse_impostor
from drydock_cache.index import Expected, StoredResponse
from drydock_cache.keys import CacheKey

# Nothing a client sends may bend what is stored for all: an asset is asked for with our own headers.
_HEADERS = (("accept", "*/*"), ("accept-encoding", "identity"), ("user-agent", "drydock"))
_PAGES = frozenset({"", ".html", ".htm"})
# What says that a file is not there, or not for everybody.
_DENIALS = frozenset({401, 403, 404, 410, 451})


def asset_request(url: str, expected: Expected | None) -> FetchRequest:
    """Return the request that fetches the asset at a normalised URL."""

    def stored(head: Head, blob: Blob) -> StoredResponse:
        # under the URL that was asked for: a redirect's target is signed for minutes, the asset's name stays
        return StoredResponse(CacheKey(url), head.status, shareable(head.headers), blob, head.request_time, head.response_time)

    return FetchRequest(
        CacheKey(url),
        _HEADERS,
        partial(judge_asset, url, insisted=expected is not None),
        stored,
        follow_redirects=True,
        expected=expected,
    )


def judge_asset(url: str, head: Head, *, insisted: bool = False) -> Verdict:
    """Say what becomes of a response to a plain GET for the asset `url`, wherever redirects led.

    `insisted`: a lock or a runtime names the file with its digest. Raise UpstreamError for what is no answer to such a request:
    a part, a 304 that nobody asked for, an empty file, the page of a captive portal or a filter that comes with status 200, and
    the denial of a file that is insisted on. Of other files a filter's 404 cannot be told from the host's, which is HTML as often.
    """
    shown = head.url.partition("?")[0]  # the query of a redirect's target may be a signature
    refuse_impostor(url, head)
    if head.status in (206, 304):
        raise UpstreamError(
            UpstreamFailure.PROTOCOL, f"The upstream of {shown} answered a plain GET with {head.status}.", "Try again."
        )
    if insisted and head.status in _DENIALS:
        host = urlsplit(shown).hostname
        raise UpstreamError(
            UpstreamFailure.NOT_THE_ASSET,
            f"{host} answered {head.status} for {url}, which is there by a lock or a runtime that names its digest: a filter of the "
            "network answers in the host's place, or the file was taken away.",
            f"Ask for {host} to be allowed (make doctor says who answers); if it was taken away: make lock.",
        )
    if head.status != 200:
        return Verdict.PASS
    kind = (head.header("content-type") or "").partition(";")[0].strip().lower()
    elsewhere = f" from {urlsplit(shown).hostname}" if urlsplit(shown).hostname != urlsplit(url).hostname else ""
    if kind == "text/html" and PurePosixPath(urlsplit(url).path).suffix.lower() not in _PAGES:
        raise UpstreamError(
            UpstreamFailure.NOT_THE_ASSET,
            f"Instead of {url} an HTML page came{elsewhere}, as captive portals and filters send; it was not stored.",
            "Log in to the network, or ask for the host to be allowed, then try again.",
        )
    if head.length == 0:
        raise UpstreamError(
            UpstreamFailure.NOT_THE_ASSET, f"The upstream of {shown} sent an empty file; it was not stored.", "Try again."
        )
    return Verdict.STORE
