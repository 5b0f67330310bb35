"""For any content an export comes back as it was; for any change to an archive the reader ends in one sentence, or in the same content."""

import io
import string
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
from drydock_cache.archive.layout import ArchiveError
from drydock_cache.archive.manifest import Manifest, write_manifest
from drydock_cache.archive.members import MemberReader
from drydock_cache.archive.parts import PartReader, existing_parts, reader
from drydock_cache.archive.rows import decode, encode
from drydock_cache.archive.sums import read_sums
from drydock_cache.archive.tar_format import declared_size, header, refusal
from drydock_cache.blobs import Blob
from drydock_cache.digest import Digest
from drydock_cache.index import StoredResponse
from drydock_cache.keys import CacheKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cache.tests.archive.conftest import Sides
from cache.tests.archive.forging import Forged, write_raw

# The repository may be mounted read-only, and the machine be busy.
ANYWHERE = settings(
    database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20)
TIMES = st.floats(0, 1e12)
PATHS = st.text(string.ascii_letters + string.digits + "-_~.%", min_size=1, max_size=20).filter(
    lambda path: not any(trap in path.lower() for trap in (".", "%"))
)
NAMES = st.text(string.ascii_lowercase + "-", min_size=1, max_size=10)


@st.composite
def responses(draw: st.DrawFn) -> tuple[StoredResponse, ...]:
    """Stored responses by key, some with the same content."""
    bodies = draw(st.lists(st.binary(max_size=20), min_size=1, max_size=4))
    found = {}
    for _ in range(draw(st.integers(0, 6))):
        key = CacheKey(f"https://a.example/{draw(PATHS)}", draw(TEXT))
        body = draw(st.sampled_from(bodies))
        headers = tuple(draw(st.lists(st.tuples(NAMES, TEXT), max_size=3)))
        status = draw(st.integers(200, 599))
        vary = tuple(draw(st.lists(NAMES, max_size=2)))
        found[key] = StoredResponse(key, status, headers, Blob(Digest.of(body), len(body)), draw(TIMES), draw(TIMES), vary)
    return tuple(found[key] for key in sorted(found))


@ANYWHERE
@given(responses())
def test_a_manifest_comes_back_as_it_was(stored: tuple[StoredResponse, ...]) -> None:
    """Any header, variant and time, to the last digit."""
    blobs = tuple(sorted({one.blob for one in stored}))
    file = io.BytesIO()
    write_manifest(file, 5.0, [("sbom.cdx.json", 3)], blobs, (), stored)
    manifest = Manifest(file)
    assert tuple(manifest.listing.blobs()) == blobs
    assert tuple(manifest.responses()) == stored
    assert tuple(manifest.responses()) == stored


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@ANYWHERE
@given(st.dictionaries(st.text(), JSON))
def test_a_line_is_read_only_as_it_is_written(entry: dict[str, Any]) -> None:
    line = encode(entry)
    assert decode(line, 1) == entry
    for other in (b" " + line, line.rstrip(b"\n"), line.replace(b"{", b"{ ", 1)):
        with pytest.raises(ArchiveError):
            decode(other, 1)


@ANYWHERE
@given(st.binary(max_size=200) | st.text(string.hexdigits + " \n./abmnifest", max_size=300).map(str.encode))
def test_sums_of_any_bytes_end_in_a_sentence(data: bytes) -> None:
    with pytest.raises(ArchiveError, match="The archive is refused"):
        read_sums(data)


@ANYWHERE
@given(st.binary(min_size=512, max_size=512), st.integers(0, 1 << 40))
def test_any_other_header_is_refused_with_a_reason(block: bytes, size: int) -> None:
    assert "The archive is refused: " in str(refusal(block, "a", size, {"b"}, {"a", "b"}))
    with pytest.raises(ArchiveError):
        declared_size(block, "a")


@ANYWHERE
@given(st.from_regex(r"[!-~]{1,100}", fullmatch=True).filter(lambda name: not name.endswith("/")), st.integers(0, 1 << 50))
def test_a_header_is_that_of_the_standard_library(name: str, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    assert header(name, size) == member.tobuf(tarfile.GNU_FORMAT)


@ANYWHERE
@given(st.integers(0, 1 << 45), st.integers(0, 511), st.integers(1, 255))
def test_a_header_with_one_other_byte_is_refused(size: int, at: int, change: int) -> None:
    """Sizes over 8 GiB are spelled in another way, and held to it as well."""
    block = bytearray(header("blobs/sha256/" + "0" * 64, size))
    assert declared_size(bytes(block), "blobs/sha256/" + "0" * 64) == size
    block[at] ^= change
    with pytest.raises(ArchiveError):
        declared_size(bytes(block), "blobs/sha256/" + "0" * 64)


@settings(ANYWHERE, max_examples=150)
@given(st.data())
def test_an_archive_with_changed_bytes_is_refused(sides: Sides, data: st.DataObject) -> None:
    """Wherever the tar is changed, and however: it is refused, and never anything else than a sentence."""
    path = sides.folder / "tried"
    tar = _tar(sides)
    at = data.draw(st.integers(0, len(tar) - 1))
    piece = data.draw(st.binary(min_size=1, max_size=8))
    changed = tar[:at] + piece + tar[at + data.draw(st.sampled_from((0, len(piece)))) :]
    if changed == tar:
        return
    path.unlink(missing_ok=True)
    with pytest.raises(ArchiveError):
        sides.take(write_raw(path, changed), dry_run=True)


def _tar(sides: Sides) -> bytes:
    good = sides.folder / "good"
    if not good.exists():
        sides.export("good")
    forged = Forged.of(good, sides.key)
    return forged.tar()


@ANYWHERE
@given(st.binary(max_size=2000))
def test_any_other_file_ends_in_a_sentence(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        source = PartReader([path])
        with pytest.raises(ArchiveError):
            MemberReader(source).small("SHA256SUMS.sig", 64)
        source.close()


@ANYWHERE
@given(st.permutations(range(1, 8)))
def test_parts_make_one_stream_in_any_order(numbers: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = {number: Path(folder) / f"a.b.{number:03}" for number in numbers}
        for number, path in paths.items():
            path.write_bytes(b"%d" % number)
        source = reader([paths[number] for number in numbers])
        assert b"".join(iter(lambda: source.read(3), b"")) == b"1234567"
        assert existing_parts(Path(folder) / "a.b") == [paths[number] for number in range(1, 8)]
