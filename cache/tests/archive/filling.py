"""Stores of any size, for tests of what a size costs."""

import hashlib
from contextlib import closing
from pathlib import Path

from drydock_cache.blobs import Blob
from drydock_cache.digest import Digest
from drydock_cache.index import StoredResponse
from drydock_cache.keys import CacheKey
from drydock_cache.store import Store

from cache.tests.archive.conftest import url


def fill(root: Path, sizes: list[int], piece: bytes) -> None:
    """Put assets of these sizes into a store, each different; straight to their names, since nothing here crashes."""
    with closing(Store.open(root)) as store, store.index.transaction() as transaction:
        for number, size in enumerate(sizes):
            digest, fresh = hashlib.sha256(), root / "staging" / "fresh"
            with fresh.open("wb") as file:
                for start in range(0, size, len(piece)):
                    data = number.to_bytes(8) + piece[8:] if start == 0 else piece
                    data = data[: size - start]
                    digest.update(data)
                    if any(data):
                        file.seek(start)
                        file.write(data)
                file.truncate(size)
            blob = Blob(Digest(digest.hexdigest()), size)
            store.blobs.path(blob.digest).parent.mkdir(exist_ok=True)
            fresh.rename(store.blobs.path(blob.digest))
            headers = (("content-type", "application/octet-stream"),)
            transaction.put(StoredResponse(CacheKey(url(number)), 200, headers, blob, 1.0, 2.0))
