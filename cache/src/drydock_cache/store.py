"""The store: blobs and index together, so that a stored response is there exactly as long as its bytes are."""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from drydock_cache.blobs import Blob, BlobDamagedError, BlobMissingError, BlobStore, Stage, VerifiedBlob, unwritable
from drydock_cache.digest import Digest
from drydock_cache.errors import StoreError
from drydock_cache.index import Index, StoredResponse
from drydock_cache.runtime_view import URL_MARKS, RuntimeView, view_names

_log = logging.getLogger(__name__)


class Store:
    """Stored responses with verified content below one folder; safe with several processes and threads.

    `read_only` says why nothing can be stored, or is None.
    """

    def __init__(self, root: Path, read_only: StoreError | None = None) -> None:
        self.root = root
        self.read_only = read_only
        self.blobs = BlobStore(root)
        self.index = Index(root / "index.sqlite", read_only=read_only is not None)
        self._view = RuntimeView(self.blobs)

    @classmethod
    def open(cls, root: Path) -> "Store":
        """Open the store at `root`, made when it is not there; sweep what a crash left staged.

        One that is there but cannot be written is opened to be read, since hits need no more; `read_only` says so. Raise
        StoreError when there is none and none can be made.
        """
        try:
            blobs = BlobStore(root)
            blobs.prepare()
            blobs.sweep()
            store = cls(root)
        except StoreError as error:
            if not (root / "index.sqlite").exists():
                raise
            _log.error("%s Hits are served; nothing is stored.", error)
            return cls(root, error)
        store.show_all()
        return store

    @classmethod
    def open_read_only(cls, root: Path) -> "Store":
        """Open a store that is only read; raise StoreError when there is none at `root`."""
        if not (root / "index.sqlite").exists():
            raise StoreError(f"There is no store at {root}: index.sqlite is missing.", "Make one with: drydock warm")
        return cls(root, StoreError(f"The store {root} was opened to be read only."))

    def find(self, url: str, variant_of: Callable[[Sequence[str]], str] = lambda _: "") -> StoredResponse | None:
        """Return the stored response for a normalised URL, or None.

        One whose blob is gone is forgotten on the way. One that is not what is expected of its URL is passed over: what
        comes in its place replaces it, and should the lock be wrong, it is still there.
        """
        stored = self.index.get(url, variant_of)
        if stored is None:
            return None
        if not self._is_expected(stored):
            return None
        if not self.blobs.has(stored.blob.digest):
            self.forget(stored)
            return None
        return stored

    def read(self, stored: StoredResponse) -> VerifiedBlob:
        """Open the content of a stored response, checked.

        Raise BlobMissingError or BlobDamagedError; the response is forgotten then, so that the next request fetches it again.
        """
        try:
            return self.blobs.open(stored.blob.digest)
        except (BlobMissingError, BlobDamagedError):
            self.forget(stored)
            raise

    def at_hand(self, url: str) -> tuple[StoredResponse, VerifiedBlob] | None:
        """Return the stored response of an asset with its content, if all was checked before and nothing is to be mended."""
        stored = self.index.get(url, lambda _: "")
        if stored is None or not self._is_expected(stored):
            return None
        blob = self.blobs.open_checked(stored.blob.digest)
        return None if blob is None else (stored, blob)

    def stage(self) -> Stage:
        """Begin the content of a new response; raise StoreError when the store cannot be written."""
        if self.read_only is not None:
            raise self.read_only
        return self.blobs.stage()

    def commit(self, stage: Stage, make: Callable[[Blob], StoredResponse]) -> StoredResponse:
        """Make the staged bytes a blob and what `make` returns for it the stored response; raise StoreError or OSError."""
        with self.blobs.lock():
            stored = make(stage.commit())
            self.index.put(stored)
        self._show([stored])
        return stored

    def update(self, stored: StoredResponse) -> None:
        """Replace the headers and times of a stored response, as a validation asks for (RFC 9111 §4.3.4)."""
        # a store that cannot be written has it validated again next time
        with contextlib.suppress(StoreError, OSError), self.blobs.lock():
            if self.blobs.has(stored.blob.digest):  # else it was evicted meanwhile
                self.index.put(stored)

    def forget(self, stored: StoredResponse) -> None:
        """Drop a stored response from the index; a store that cannot be written keeps it, and keeps failing its check."""
        with contextlib.suppress(StoreError):
            self.index.remove(stored.key)

    def forget_url(self, url: str) -> None:
        """Drop every variant of a normalised URL, as an unsafe method asks for (RFC 9111 §4.4)."""
        with contextlib.suppress(StoreError):
            self.index.remove_url(url)

    def responses(self) -> Iterator[StoredResponse]:
        """Yield all stored responses, ordered by URL."""
        return self.index.all()

    def evict(self, digest: Digest, used_until: float) -> int | None:
        """Remove a blob and the stored responses with it, and return its size in bytes; None when nothing was removed.

        What was used after `used_until` stays. Readers that hold the blob open keep it. Raise StoreError when the store cannot
        be written.
        """
        path = self.blobs.path(digest)
        try:
            with self.blobs.lock(collecting=True):
                self.index.drop(digest, used_until)
                if self.index.names(digest):
                    return None
                size = path.stat().st_size
                path.unlink()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unwritable(path, error) from error
        return size

    def prune_view(self) -> int:
        """Take what the store no longer has out of the runtime view; return how many names went. Raise StoreError."""
        try:
            return self._view.prune()
        except OSError as error:
            raise unwritable(self._view.folder, error) from error

    def show_all(self) -> None:
        """Bring every stored response that workerd can read into the runtime view."""
        self._show(self.index.containing(URL_MARKS))

    def close(self) -> None:
        """Write the times of last use and close the index."""
        self.index.close()

    def bind_view(self, urls: Iterable[str]) -> None:
        """Take bytes that are not what is expected of these URLs out of the runtime view. Raise StoreError."""
        known = ((url, self.index.expected(url)) for url in urls if view_names(url))
        try:
            self._view.withdraw({name: one.digest for url, one in known if one for name in view_names(url)})
        except OSError as error:
            raise unwritable(self._view.folder, error) from error

    def _is_expected(self, stored: StoredResponse) -> bool:
        expected = self.index.expected(stored.key.url)
        return expected is None or stored.status != 200 or expected.digest == stored.blob.digest

    def _show(self, responses: Iterable[StoredResponse]) -> None:
        """Bring the runtime view up to date; without it workerd asks the proxy, so a failure is said and no more."""
        try:
            self._view.add(stored for stored in responses if view_names(stored.key.url) and self._is_expected(stored))
        except OSError as error:
            _log.warning("The runtime view %s cannot be written: %s.", self._view.folder, error.strerror)
