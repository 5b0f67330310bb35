"""Subresource Integrity: what an npm lock says of a tarball, compared with its bytes."""

import hashlib
from base64 import b64encode
from pathlib import Path

import pytest
from drydock_cache.blobs import BlobStore
from drydock_cache.integrity import integrity_mismatch

BODY = b"tarball" * 500_000


def sri(algorithm: str, body: bytes = BODY) -> str:
    return f"{algorithm}-{b64encode(hashlib.new(algorithm, body).digest()).decode()}"


@pytest.mark.parametrize(
    ("integrity", "mismatch"),
    [
        (sri("sha512"), ""),
        (sri("sha1"), ""),
        (f"{sri('sha512')}?option", ""),
        (f"{sri('sha1', b'other')} {sri('sha512')}", ""),
        (f"{sri('sha512', b'other')} {sri('sha512')}", ""),
        (f"{sri('sha1')} {sri('sha512', b'other')}", sri("sha512")),
        (sri("sha256", b"other"), sri("sha256")),
        ("md5-unknown", ""),
        ("", ""),
    ],
)
def test_the_strongest_algorithm_counts(tmp_path: Path, integrity: str, mismatch: str) -> None:
    """Any digest by it is allowed; an unknown algorithm says nothing (W3C Subresource Integrity, section 3.3)."""
    store = BlobStore(tmp_path)
    store.prepare()
    stage = store.stage()
    stage.write(BODY)
    with store.open(stage.commit().digest) as blob:
        assert integrity_mismatch(integrity, blob) == mismatch
