"""The store: blobs and index together, so that a stored response is there exactly as long as its bytes are."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from drydock_cache.blobs import Blob, BlobDamagedError, BlobMissingError, BlobStore, Stage, VerifiedBlob
from drydock_cache.errors import StoreError
from drydock_cache.index import Index, StoredResponse
from drydock_cache.runtime_view import RuntimeView


class Store:
    """Stored responses with verified content below one folder; safe with several processes and threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = BlobStore(root)
        self.index = Index(root / "index.sqlite")
        self._view = RuntimeView(self.blobs)

    @classmethod
    def open(cls, root: Path) -> "Store":
        """Open the store at `root`, made when it is not there; sweep what a crash left staged.

        Raise StoreError when it cannot be written; `open_read_only` opens such a store.
        """
        BlobStore(root).prepare()
        store = cls(root)
        store.blobs.sweep()
        store._view.add(store.index.all())
        return store

    @classmethod
    def open_read_only(cls, root: Path) -> "Store":
        """Open a store that is only read; raise StoreError when there is none at `root`."""
        if not (root / "index.sqlite").exists():
            raise StoreError(f"There is no store at {root}: index.sqlite is missing.", "Make one with: drydock warm")
        return cls(root)

    def find(self, url: str, variant_of: Callable[[Sequence[str]], str] = lambda _: "") -> StoredResponse | None:
        """Return the stored response for a normalised URL, or None.

        One whose blob is gone, or that is not what was expected of its URL since, is forgotten on the way.
        """
        stored = self.index.get(url, variant_of)
        if stored is None:
            return None
        expected = self.index.expected(url)
        if not self.blobs.has(stored.blob) or (expected and stored.status == 200 and expected.digest != stored.blob.digest):
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

    def stage(self) -> Stage:
        """Begin the content of a new response; raise StoreError when the store cannot be written."""
        return self.blobs.stage()

    def commit(self, stage: Stage, make: Callable[[Blob], StoredResponse]) -> StoredResponse:
        """Make the staged bytes a blob and what `make` returns for it the stored response; raise StoreError or OSError."""
        stored = make(stage.commit())
        self.index.put(stored)
        self._view.add([stored])
        return stored

    def update(self, stored: StoredResponse) -> None:
        """Replace the headers and times of a stored response, as a validation asks for (RFC 9111 §4.3.4)."""
        self.index.put(stored)

    def forget(self, stored: StoredResponse) -> None:
        """Drop a stored response from the index; a store that cannot be written keeps it, and keeps failing its check."""
        with contextlib.suppress(StoreError):
            self.index.remove(stored.key)

    def responses(self) -> Iterator[StoredResponse]:
        """Yield all stored responses, ordered by URL."""
        return self.index.all()

    def close(self) -> None:
        """Write the times of last use and close the index."""
        self.index.close()
