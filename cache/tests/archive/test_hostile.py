"""Every hostile archive is refused with one clear sentence; nothing is written outside, and the store keeps every byte."""

import os
import tarfile
import time
from collections.abc import Callable
from typing import Any

import pytest
from drydock_cache.archive.layout import BLOBS, MANIFEST, SBOM, SIGNATURE, SIGNER, SUMS
from drydock_cache.archive.reading import Trust
from drydock_cache.archive.signing import Signer, own_key
from drydock_cache.archive.zstd_stream import zstd
from drydock_cache.digest import Digest

from cache.tests.archive.conftest import Refuse, Sides, put, rows, url
from cache.tests.archive.forging import Forged, forge_bomb, write_raw


@pytest.fixture
def forged(sides: Sides) -> Forged:
    """A good archive, taken apart."""
    (archive,) = sides.export("good")
    return Forged.of(archive.path, sides.key)


@pytest.mark.fault("48")
def test_one_that_is_put_together_unchanged_is_taken(sides: Sides, forged: Forged) -> None:
    """What is refused below is refused for what was changed."""
    forged.sign()
    sides.take(forged.write(sides.folder / "same"))
    assert rows(sides.far) == rows(sides.near)


# ---- Members that would write elsewhere, or are no plain files ---------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "header", "reason"),
    [
        ("../outside", {}, "leads out of the archive"),
        ("blobs/../../outside", {}, "leads out of the archive"),
        ("/tmp/outside", {}, "absolute path"),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "/etc"}, "a symbolic link"),
        ("link", {"type": tarfile.LNKTYPE, "linkname": "index.sqlite"}, "a hard link"),
        ("null", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}, "a device"),
        ("disk", {"type": tarfile.BLKTYPE}, "a device"),
        ("pipe", {"type": tarfile.FIFOTYPE}, "a named pipe"),
        ("blobs", {"type": tarfile.DIRTYPE}, "a folder"),
        ("pax", {"type": tarfile.XHDTYPE}, "a pax extension"),
        ("x" * 200, {}, "a long-name extension"),
        ("stranger", {}, "is extra"),
    ],
)
@pytest.mark.parametrize("at", [0, 3, 6, -1])
@pytest.mark.fault("48")
def test_a_member_that_no_export_writes(
    sides: Sides, forged: Forged, refuse: Refuse, name: str, header: dict[str, Any], reason: str, at: int
) -> None:
    """Wherever it stands: before anything vouches for the rest, among the blobs, or behind them."""
    forged.insert(at if at >= 0 else len(forged.members), name, **header)
    assert reason in refuse(forged.write(sides.folder / "hostile")) or (at in (0, 3) and name == "stranger")


@pytest.mark.parametrize(
    "header", [{"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, {"mode": 0o4755}, {"uid": 1}, {"mtime": 1}]
)
def test_a_blob_with_another_header(sides: Sides, forged: Forged, refuse: Refuse, header: dict[str, Any]) -> None:
    """A link in the place of a blob, or metadata of any kind."""
    name = forged.blobs()[2]
    forged.put(name, forged.content(name), **header)
    assert "The archive is refused" in refuse(forged.write(sides.folder / "hostile"))


@pytest.mark.fault("48")
def test_a_link_and_then_a_file_below_it(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    forged.insert(5, "escape", type=tarfile.SYMTYPE, linkname=str(sides.folder))
    forged.insert(6, "escape/outside", b"written")
    assert "a symbolic link" in refuse(forged.write(sides.folder / "hostile"))


def test_even_a_signer_who_is_trusted_cannot_name_other_members(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    for name in (
        "../outside",
        "/outside",
        "locks/../../outside",
        "locks/",
        "locks/.hidden",
        "blobs/sha256/abc",
        "index.sqlite",
    ):
        changed = Forged(forged.key, list(forged.members))
        changed.insert(len(changed.members), name, b"written")
        changed.sign()
        assert "no member of an export archive" in refuse(changed.write(sides.folder / f"hostile-{len(name)}"))


# ---- Signatures --------------------------------------------------------------------------------------------------------
@pytest.mark.fault("50")
def test_a_removed_signature(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    forged.drop(SIGNATURE)
    assert f"{SIGNATURE} is missing" in refuse(forged.write(sides.folder / "hostile"))


def test_an_empty_signature(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    forged.put(SIGNATURE, b"")
    assert "signature does not fit" in refuse(forged.write(sides.folder / "hostile"))


@pytest.mark.fault("50")
def test_a_signature_by_another_key(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    """Whether the stranger names themselves or the expected signer."""
    stranger = own_key(sides.folder / "stranger")
    forged.key = stranger
    forged.sign()
    refused = refuse(forged.write(sides.folder / "named"))
    assert f"signed by {stranger.signer}; expected {sides.key.signer}" in refused
    forged.put(SIGNER, sides.key.signer.pem)
    assert "signature does not fit" in refuse(forged.write(sides.folder / "disguised"))


def test_nobody_is_trusted_on_first_use(sides: Sides, forged: Forged) -> None:
    """Without a word on whom to trust the import names the signer and stops; it says how to go on."""
    archive = forged.write(sides.folder / "good2")
    with pytest.raises(Exception, match=f"signed by {sides.key.signer}, and whose signature is trusted was not said") as caught:
        sides.take(archive, trust=Trust())
    assert f"--key {sides.key.signer}" in str(caught.value)
    assert not sides.far.exists()
    sides.take(archive, trust=Trust(anybody=True))


def test_a_key_of_another_kind(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    for pem in (b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"):
        forged.put(SIGNER, pem)
        assert "signer.pem is no PEM public key" in refuse(forged.write(sides.folder / f"hostile-{len(pem)}"))


def test_sums_edited_after_they_were_signed(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    forged.put(SUMS, forged.content(SUMS).replace(b"a", b"b", 1))
    assert "signature does not fit" in refuse(forged.write(sides.folder / "hostile"))


# ---- What the signature vouches for ------------------------------------------------------------------------------------
@pytest.mark.fault("50")
def test_an_edited_manifest(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    forged.edit_manifest(lambda lines: lines[-1].update(response_time=1.5))
    assert f"{MANIFEST} is not what was signed" in refuse(forged.write(sides.folder / "hostile"))


def test_an_edited_bill_of_materials(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    forged.put(SBOM, forged.content(SBOM).replace(b"1.6", b"1.5", 1))
    assert f"{SBOM} is not what was signed" in refuse(forged.write(sides.folder / "hostile"))


@pytest.mark.fault("50")
def test_swapped_blobs(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    one, other = [name for name in forged.blobs() if len(forged.content(name)) in (511, 513)]
    first, second = forged.content(one), forged.content(other)
    forged.put(one, second)
    forged.put(other, first)
    assert "declares" in refuse(forged.write(sides.folder / "hostile"))


@pytest.mark.fault("48")
def test_a_blob_with_other_bytes_of_the_same_size(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    """The last blob differs in its last bit: all before it were right, and none of them stays."""
    last = [name for name in forged.blobs() if forged.content(name)][-1]
    body = forged.content(last)
    forged.put(last, body[:-1] + bytes([body[-1] ^ 1]))
    assert "is not what was signed: expected sha256:" in refuse(forged.write(sides.folder / "hostile"))


@pytest.mark.parametrize("at", [0, 3, -1])
@pytest.mark.fault("50")
def test_a_missing_blob(sides: Sides, forged: Forged, refuse: Refuse, at: int) -> None:
    name = forged.blobs()[at]
    forged.drop(name)
    assert f"{name} is missing" in refuse(forged.write(sides.folder / "hostile"))


@pytest.mark.fault("48")
def test_an_extra_blob(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    body = b"extra"
    name = BLOBS + Digest.of(body).hex
    at = forged.names().index(next((blob for blob in forged.blobs() if blob > name), forged.blobs()[-1]))
    forged.insert(at, name, body)
    assert "SHA256SUMS does not name it" in refuse(forged.write(sides.folder / "unsigned"))
    forged.sign()
    assert "list different members" in refuse(forged.write(sides.folder / "signed"))


@pytest.mark.parametrize("at", [0, 2, 3, 4, 5, -1])
@pytest.mark.fault("48")
def test_a_member_twice(sides: Sides, forged: Forged, refuse: Refuse, at: int) -> None:
    at %= len(forged.members)
    member, content = forged.members[at]
    forged.insert(at + 1, member.name, content)
    refused = refuse(forged.write(sides.folder / "hostile"))
    assert "is there twice" in refused or "is missing" in refused


def test_members_in_another_order(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    forged.members[-1], forged.members[-2] = forged.members[-2], forged.members[-1]
    assert "not in their order" in refuse(forged.write(sides.folder / "hostile"))


@pytest.mark.parametrize("delta", [-1, 1, 512, 1 << 40])
@pytest.mark.fault("50")
def test_a_size_that_is_lied_about(sides: Sides, forged: Forged, refuse: Refuse, delta: int) -> None:
    """In the header, and by a signer who lies in the manifest."""
    name = max(forged.blobs(), key=lambda blob: len(forged.content(blob)))
    size = len(forged.content(name))
    forged.members[forged.names().index(name)][0].size = size + delta
    assert f"declares {size + delta:,} bytes; the manifest says {size:,}" in refuse(forged.write(sides.folder / "header"))
    forged.members[forged.names().index(name)][0].size = size

    def lie(lines: list[dict[str, Any]]) -> None:
        next(line for line in lines if line.get("blob") == name.removeprefix(BLOBS))["size"] += delta

    forged.edit_manifest(lie)
    forged.sign()
    refused = refuse(forged.write(sides.folder / "manifest"))
    assert "declares" in refused or "at most" in refused


# ---- Damage ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("keep", [0.0, 0.0001, 0.01, 0.5, 0.9, 0.99999])
@pytest.mark.fault("48")
def test_a_truncated_archive(sides: Sides, refuse: Refuse, keep: float) -> None:
    (archive,) = sides.export("good")
    data = archive.path.read_bytes()
    archive.path.write_bytes(data[: int(len(data) * keep)])
    assert "it is cut off" in refuse(archive.path)


@pytest.mark.parametrize("cut", [1, 4, 5, 100])
def test_an_archive_that_lacks_its_last_bytes(sides: Sides, refuse: Refuse, cut: int) -> None:
    (archive,) = sides.export("good")
    archive.path.write_bytes(archive.path.read_bytes()[:-cut])
    assert "it is cut off" in refuse(archive.path)


@pytest.mark.parametrize("tail", [b"\0", b"more", zstd.compress(b"more"), b"\x50\x2a\x4d\x18\x04\0\0\0more"])
def test_something_after_the_end(sides: Sides, refuse: Refuse, tail: bytes) -> None:
    """Loose bytes, a second frame, or one that readers skip."""
    (archive,) = sides.export("good")
    archive.path.write_bytes(archive.path.read_bytes() + tail)
    assert "something after its end" in refuse(archive.path)


@pytest.mark.parametrize("tail", [bytes(512), b"x" * 512])
def test_something_in_the_tar_after_its_end(sides: Sides, forged: Forged, refuse: Refuse, tail: bytes) -> None:
    assert "something after its end" in refuse(write_raw(sides.folder / "hostile", forged.tar() + tail))


def test_bytes_between_members(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    tar = bytearray(forged.tar())
    tar[512 + 100] = 1  # the signature has 64 bytes, and zeros up to the next block
    assert "between SHA256SUMS.sig and the next" in refuse(write_raw(sides.folder / "hostile", bytes(tar)))


def test_a_tar_without_its_end(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    assert "ends before its last member" in refuse(write_raw(sides.folder / "hostile", forged.tar()[:-1024]))
    assert "ends before its last member" in refuse(write_raw(sides.folder / "hostile2", forged.tar()[:-512]))


@pytest.mark.parametrize("content", [b"", b"\0" * 5000, b"PK\x03\x04 no archive of ours", os.urandom(5000)])
def test_some_other_file(sides: Sides, refuse: Refuse, content: bytes) -> None:
    path = sides.folder / "other"
    path.write_bytes(content)
    refused = refuse(path)
    assert "no zstd file" in refused or "cut off" in refused
    assert "no tar header" in refuse(write_raw(sides.folder / "packed", b"x" * 5000)) if not content else True


def test_a_window_that_needs_more_memory_than_an_export_ever_does(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    path = sides.folder / "wide"
    options: dict[int, int] = {
        zstd.CompressionParameter.window_log: 27,
        zstd.CompressionParameter.enable_long_distance_matching: 1,
    }
    compressor = zstd.ZstdCompressor(options=options)
    path.write_bytes(compressor.compress(forged.tar() + bytes(1 << 20)) + compressor.flush())
    assert "no zstd file, or damaged" in refuse(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda lines: lines[0].update(version=2), "format version 2"),
        (lambda lines: lines[0].update(format="other"), "not that of an export"),
        (lambda lines: lines[0].update(extra=1), "line 1 of"),
        (lambda lines: lines[0].update(responses=lines[0]["responses"] - 1), "one more than"),
        (lambda lines: lines[0].update(responses=lines[0]["responses"] + 1), "is missing"),
        (lambda lines: lines[0].update(blobs=10**9), "lists more than"),
        (lambda lines: lines[-1].update(digest="0" * 64), "does not list"),
        (lambda lines: lines[-1].update(digest="../../x"), "no sha256 digest"),
        (lambda lines: lines[-1].update(url="file:///etc/passwd"), "no URL"),
        (lambda lines: lines[-1].update(url="https://assets.example/a/../b"), "no URL"),
        (lambda lines: lines[-1].update(url="https://user:pw@assets.example/a"), "no URL"),
        (lambda lines: lines[-1].update(url=5), "no URL"),
        (lambda lines: lines[-1].update(headers=[["x", "a\r\nset-cookie: b"]]), "cannot be sent"),
        (lambda lines: lines[-1].update(headers=[["X Y", "a"]]), "cannot be sent"),
        (lambda lines: lines[-1].update(headers=[["x", 1]]), "cannot be sent"),
        (lambda lines: lines[-1].update(headers="abc"), "cannot be sent"),
        (lambda lines: lines[-1].update(status=101), "no HTTP status"),
        (lambda lines: lines[-1].update(status="200"), "no HTTP status"),
        (lambda lines: lines[-1].update(response_time=-1.0), "a time"),
        (lambda lines: lines[-1].update(response_time="now"), "a time"),
        (lambda lines: lines[-1].update(variant="a\nb"), "no variant"),
        (lambda lines: lines[-1].update(vary=["a b"]), "header names"),
        (lambda lines: lines[-1].update(more=1), "other fields"),
        (lambda lines: lines.append(dict(lines[-1])), "one more than"),
        (lambda lines: (lines.append(dict(lines[-1])), lines[0].update(responses=lines[0]["responses"] + 1)), "twice"),
        (lambda lines: lines[2].update(blob="x"), "no member of an export"),
        (lambda lines: lines[2].update(size=-1), "no entry of a blob"),
        (lambda lines: lines[2].update(size=True), "no entry of a blob"),
        (lambda lines: lines[1].update(member="manifest.jsonl"), "lists the manifest itself"),
    ],
)
def test_a_signed_manifest_that_cannot_be_believed(
    sides: Sides, forged: Forged, refuse: Refuse, change: Callable[[list[dict[str, Any]]], None], reason: str
) -> None:
    """A trusted signer's mistakes and malice end here as well: rows are checked like anybody's."""
    forged.edit_manifest(change)
    forged.sign()
    assert reason in refuse(forged.write(sides.folder / "hostile"))


@pytest.mark.parametrize("line", [b"{}", b"[]", b"nothing", b'{"a":1,"a":1}', b"[" * 100_000, b'{"as_of":NaN}', b"\xff"])
def test_a_manifest_that_is_no_json_of_ours(sides: Sides, forged: Forged, refuse: Refuse, line: bytes) -> None:
    forged.put(MANIFEST, line + b"\n")
    forged.sign()
    assert "The archive is refused" in refuse(forged.write(sides.folder / "hostile"))


@pytest.mark.parametrize(
    ("sums", "reason"),
    [
        (b"", "does not end with a line end"),
        (b"\n", "expected a sha256 and a name"),
        (b"\xff\n", "not plain ASCII"),
        (b"0" * 64 + b"  sbom.cdx.json\n", "does not begin with"),
        (b"0" * 64 + b"  manifest.jsonl\n" + b"0" * 64 + b"  manifest.jsonl\n", "names it twice"),
        (b"0" * 64 + b"  sbom.cdx.json\n" + b"0" * 64 + b"  manifest.jsonl\n", "in its order"),
        (b"0" * 64 + b"  blobs/sha256/" + b"1" * 64 + b"\n", "named by its own"),
    ],
)
def test_signed_sums_that_no_export_writes(sides: Sides, forged: Forged, refuse: Refuse, sums: bytes, reason: str) -> None:
    forged.put(SUMS, sums)
    forged.put(SIGNATURE, forged.key.sign(sums))
    assert reason in refuse(forged.write(sides.folder / "hostile"))


# ---- Bombs -------------------------------------------------------------------------------------------------------------
@pytest.mark.fault("49")
def test_two_gigabytes_in_two_megabytes_before_a_signature(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    """Refused by the size that is declared, in no time, for each member that nothing vouches for yet."""
    front: list[tuple[str, bytes]] = []
    for name in (SIGNATURE, SIGNER, SUMS):
        path = forge_bomb(sides.folder / f"bomb-{name}", sides.key, name, 2 << 30, before=front)
        assert path.stat().st_size < 2 << 20
        begun = time.monotonic()
        assert "expected at most" in refuse(path)
        assert time.monotonic() - begun < 5
        path.unlink()
        front.append((name, forged.content(name)))


@pytest.mark.fault("49")
def test_two_gigabytes_in_the_place_of_a_blob(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    names = forged.names()
    at = names.index(forged.blobs()[0])
    front = [(name, forged.content(name)) for name in names[:at]]
    path = forge_bomb(sides.folder / "bomb", sides.key, names[at], 2 << 30, before=front)
    begun = time.monotonic()
    assert "declares 2,147,483,648 bytes" in refuse(path)
    assert time.monotonic() - begun < 5


def test_a_signed_archive_that_holds_more_than_is_allowed(sides: Sides, refuse: Refuse) -> None:
    """The cap counts what the manifest declares, before a byte of it is read."""
    put(sides.near, url(70), bytes(20_000_000), 1.0)
    (archive,) = sides.export("large")
    assert "at most 10,000,000 are taken" in refuse(archive.path, max_total=10_000_000)


@pytest.mark.fault("49")
def test_more_members_than_are_counted(sides: Sides, forged: Forged, refuse: Refuse) -> None:
    sums = b"".join(b"%064x  blobs/sha256/%064x\n" % (number, number) for number in range(100_001))
    forged.put(SUMS, forged.content(SUMS).split(b"\n")[0] + b"\n" + forged.content(SUMS).split(b"\n")[1] + b"\n" + sums)
    forged.put(SIGNATURE, forged.key.sign(forged.content(SUMS)))
    assert "more than 100,000 members" in refuse(forged.write(sides.folder / "hostile"))


# ---- Parts -------------------------------------------------------------------------------------------------------------
def test_a_missing_part_is_named(sides: Sides, refuse: Refuse) -> None:
    parts = [part.path for part in sides.export("split", split=700_000)]
    assert len(parts) == 5
    assert "split.002 is missing" in refuse(parts[0], *parts[2:])
    assert "split.001 is missing" in refuse(*parts[1:])
    assert "split.005 is missing" in refuse(*parts[:-1])
    assert "split.003 was given twice" in refuse(*parts, parts[2])


def test_parts_of_different_archives(sides: Sides, refuse: Refuse) -> None:
    one = [part.path for part in sides.export("one", split=1_000_000)]
    put(sides.near, url(80), os.urandom(2_000_000), 1.0)
    other = [part.path for part in sides.export("other", split=1_000_000)]
    assert "belong to different archives" in refuse(one[0], *other[1:])
    other[1].rename(one[1])
    assert "The archive is refused" in refuse(*one)


def test_one_that_is_not_there(sides: Sides, refuse: Refuse) -> None:
    assert "cannot be read" in refuse(sides.folder / "nothing")


def test_the_name_of_a_signer_is_the_key_itself(sides: Sides) -> None:
    """Nothing shorter is compared, so nothing can be found that looks alike."""
    assert Signer.parse(str(sides.key.signer)) == sides.key.signer
    assert len(str(sides.key.signer)) == len("ed25519:") + 64
