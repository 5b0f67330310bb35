"""Hot responses: what the store would answer, looked up before and still true, with its head made and small content at hand."""

import threading
import time
from pathlib import Path

from drydock_cache.answer import Request, Selection, select
from drydock_cache.blobs import VerifiedBlob
from drydock_cache.errors import StoreError, mask_credentials
from drydock_cache.exchange import Exchange
from drydock_cache.index import StoredResponse
from drydock_cache.index_watch import IndexWatch, Stamp
from drydock_cache.store import Store

from drydock_proxy.front.access import CACHE_STATUS, line_of, quoted
from drydock_proxy.front.heads import Head
from drydock_proxy.wire import head_of

type Place = tuple[str, int, str]
"""Host, port and target of a request."""

SMALL = 128 << 10
"""Bytes of content that is kept in memory."""

_MOST_ENTRIES = 4096
_MOST_BYTES = 8 << 20
_SURE_SECONDS = 0.01
_USED_SECONDS = 1.0
_AGE = b"\r\nage: 0\r\n"
_CLOSE = b"\r\nConnection: close"


class Hot:
    """A stored response as the front answers it, with its content where that is small."""

    __slots__ = ("_after", "_before", "_line", "_whole", "checked", "digest", "identity", "path", "size", "small",
                 "stamp", "stored", "url", "url_json", "used")  # fmt: skip

    def __init__(self, url: str, stored: StoredResponse, blob: VerifiedBlob, path: Path, stamp: Stamp) -> None:
        self.url = url
        self.url_json = quoted(mask_credentials(url))
        self.stored = stored
        self.digest, self.size, self.identity, self.path = blob.blob.digest, blob.blob.size, blob.identity, path
        self.stamp = stamp
        self.checked = 0.0
        self.used = 0.0  # when the index was told last that it was served
        self._line = ("", "")  # the last client, and what its access line said
        self.small = blob.read_at(0, self.size) if self.size <= SMALL else None
        whole = select(Request("GET", stored.key.url, ()), stored, self.size, 0.0)
        before, _, after = head_of(whole.status, whole.headers, CACHE_STATUS, whole.length).partition(_AGE)
        self._before, self._after = before + _AGE[:-3], _AGE[-2:] + after
        self._whole = (-1, b"")

    def whole(self, now: float, *, closes: bool) -> bytes:
        """Return the head of the whole answer, with the content where that is small."""
        age = max(int(now - self.stored.response_time), 0)
        if closes:
            return b"%b%d%b%b%b" % (self._before, age, _CLOSE, self._after, self.small or b"")
        known, data = self._whole
        if known != age:
            data = b"%b%d%b%b" % (self._before, age, self._after, self.small or b"")
            self._whole = age, data
        return data

    def line(self, client: str) -> str:
        """Return what the access line of the whole answer, sent at once, says of it to a client, given as JSON."""
        known, line = self._line
        if known != client:
            line = line_of(client, "GET", self.url_json, self.stored.status, self.size)
            self._line = client, line
        return line

    def select(self, head: Head, now: float) -> tuple[Selection, bytes]:
        """Return what any GET or HEAD selects, and the answer's head, with the content where that is small."""
        request = Request(head.method, self.stored.key.url, head.fields)
        found = select(request, self.stored, self.size, now - self.stored.response_time)
        data = head_of(found.status, found.headers, CACHE_STATUS, found.length, closes=head.closes)
        return found, data if self.small is None else data + self.small[found.start : found.end]


class HotResponses:
    """What was asked for of late; `get` waits for nothing, and `fill` may wait for the index."""

    def __init__(self, exchange: Exchange, store: Store) -> None:
        self._exchange = exchange
        self._store = store
        self._watch = IndexWatch(store.index)
        self._entries: dict[Place, Hot] = {}
        self._held = 0
        self._lock = threading.Lock()

    def get(self, place: Place) -> Hot | None:
        """Return what answers a place, if it is known and still holds: index, file and digest are as they were."""
        hot = self._entries.get(place)
        if hot is None:
            return None
        now = time.monotonic()
        # what this process changes is seen at once, what others do to index and files within a hundredth of a second
        if now - hot.checked < _SURE_SECONDS and hot.stamp[0] == self._store.index.changes:
            return hot
        if hot.stamp != self._watch.stamp() or not self._store.blobs.is_same(hot.path, hot.identity):
            return None
        hot.checked = now
        return hot

    def fill(self, place: Place, url: str) -> Hot | None:
        """Look a place up; None says that the exchange must be asked."""
        stamp = self._watch.stamp()
        try:
            found = self._exchange.at_hand(url)
            hot = None if found is None else _made(url, *found, self._store.blobs.path(found[0].blob.digest), stamp)
        except StoreError:
            hot = None
        with self._lock:
            self._keep(place, hot)
        return hot

    def open(self, hot: Hot) -> VerifiedBlob | None:
        """Open the content, or None when it is not there any more as it was checked."""
        return self._store.blobs.open_checked(hot.digest)

    def used(self, hot: Hot, now: float) -> None:
        """Note that a response was served; nobody asks for the moment more exactly than in seconds."""
        if not 0 <= now - hot.used < _USED_SECONDS:
            hot.used = now
            self._store.index.used(hot.stored.key, now)

    def close(self) -> None:
        """Let go of everything."""
        self._entries.clear()
        self._watch.close()

    def _keep(self, place: Place, hot: Hot | None) -> None:
        before = self._entries.pop(place, None)
        self._held -= len(before.small or b"") if before else 0
        if hot is None:
            return
        self._entries[place] = hot
        self._held += len(hot.small or b"")
        while len(self._entries) > _MOST_ENTRIES or self._held > _MOST_BYTES:
            gone = self._entries.pop(next(iter(self._entries)))
            self._held -= len(gone.small or b"")


def _made(url: str, stored: StoredResponse, blob: VerifiedBlob, path: Path, stamp: Stamp) -> Hot:
    with blob:  # large content is opened anew for each request, and its identity is looked at then
        return Hot(url, stored, blob, path, stamp)
