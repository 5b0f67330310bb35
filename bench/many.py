"""A store with many small entries, made without waiting for the disk."""

import time
from pathlib import Path

from drydock_cache.blobs import Blob
from drydock_cache.digest import Digest
from drydock_cache.index import StoredResponse
from drydock_cache.keys import CacheKey
from drydock_cache.store import Store

_SIZE = 1000


def fill(root: Path, host: str, count: int) -> None:
    """Make a store of `count` entries of 1 KB, each with content of its own; the URLs are https://HOST/many/NUMBER."""
    store = Store.open(root)
    now = time.time()
    headers = (("content-type", "application/octet-stream"), ("content-length", str(_SIZE)))
    with store.index.transaction() as transaction:
        for number in range(count):
            body = f"{number:0{_SIZE}}".encode()
            blob = Blob(Digest.of(body), len(body))
            path = store.blobs.path(blob.digest)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(body)
            path.chmod(0o444)
            key = CacheKey(f"https://{host}/many/{number}", "")
            transaction.put(StoredResponse(key, 200, headers, blob, now, now))
    store.close()
