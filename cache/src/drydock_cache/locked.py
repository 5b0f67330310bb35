"""What a lock names: assets and index pages, each with the digest of the bytes that alone may be served."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from drydock_cache.digest import Digest
from drydock_cache.keys import CacheKey
from drydock_cache.plan import AssetKind
from drydock_cache.validation import vary_key

# Pages are asked for with these two of a client's headers alone, so these two choose the variant.
PAGE_SELECTORS = ("accept", "accept-encoding")

# Why an asset is locked that no plan knows of.
REHEARSED = "asked for in a rehearsal"


@dataclass(frozen=True)
class LockedAsset:
    """One immutable download: normalised URL, size in bytes, the sorted names of the Workers that need it, and why."""

    url: str
    digest: Digest
    size: int
    kind: AssetKind
    workers: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class LockedPage:
    """One index page as it was when a resolution read it: the exact bytes, and all that a client is told about them.

    `accept` and `encoding` ("gzip" or "identity") are what the page was asked for with. `coded` says that the bytes are
    compressed with `encoding`. `location` is where a redirect leads. A status of 404 is an answer too: a resolver goes on.
    """

    url: str
    accept: str
    encoding: str
    digest: Digest
    size: int
    content_type: str
    why: str
    status: int = 200
    coded: bool = False
    location: str = ""

    @property
    def key(self) -> CacheKey:
        """The cache key of the page's variant."""
        return CacheKey(self.url, page_variant(self.accept, self.encoding))

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers that the snapshot is served with; the lock vouches for each of them."""
        pairs = (
            ("content-type", self.content_type),
            ("content-encoding", self.encoding if self.coded else ""),
            ("location", self.location),
            ("etag", f'"{self.digest.hex}"'),
            ("vary", "accept, accept-encoding"),
        )
        return tuple((name, value) for name, value in pairs if value)


@dataclass(frozen=True)
class Lock:
    """Assets and pages, each sorted: by URL, and pages of one URL by what they were asked for with."""

    assets: tuple[LockedAsset, ...] = ()
    pages: tuple[LockedPage, ...] = ()

    @classmethod
    def of(cls, assets: Iterable[LockedAsset] = (), pages: Iterable[LockedPage] = ()) -> "Lock":
        """Make a lock of entries in any order."""
        return cls(tuple(sorted(assets, key=lambda asset: asset.url)), tuple(sorted(pages, key=lambda page: page.key)))

    def digests(self) -> frozenset[Digest]:
        """Return the digests of all blobs that the lock pins."""
        return frozenset({asset.digest for asset in self.assets} | {page.digest for page in self.pages})

    def urls(self) -> list[str]:
        """Return all URLs that the lock names, assets first."""
        return [asset.url for asset in self.assets] + [page.url for page in self.pages]

    def asset(self, url: str) -> LockedAsset | None:
        """Return the entry of a normalised URL, or None."""
        return next((asset for asset in self.assets if asset.url == url), None)


def page_variant(accept: str, encoding: str) -> str:
    """Name the variant of a page that is asked for with these values of Accept and Accept-Encoding."""
    return vary_key(",".join(PAGE_SELECTORS), (("accept", accept), ("accept-encoding", encoding)))


def host_of(url: str) -> str:
    """Return the host of a URL in lower case and without its port; empty for one that names none."""
    return urlsplit(url).hostname or ""
