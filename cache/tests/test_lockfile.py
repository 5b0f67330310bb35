"""Lock files: one text for one content, strict to read, and never a registry in the one that git carries."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from drydock_cache.digest import Digest
from drydock_cache.errors import ConfigError
from drydock_cache.lock_format import parse_lock, render_lock
from drydock_cache.locked import Lock, LockedAsset, LockedPage
from drydock_cache.lockfile import lock_paths, read_locks, registry_lock, split_lock, write_lock
from drydock_cache.plan import AssetKind

from cache.tests.disks import small_disk

A, B, C = (Digest.of(name) for name in (b"a", b"b", b"c"))
BUNDLE = LockedAsset(
    "https://assets.example/pyodide_1.capnp.bin", A, 14, AssetKind.BUNDLE, ("api", "hello"), "workerd 1.2 asks for it"
)
WHEEL = LockedAsset("https://files.registry.example:8443/x.whl", B, 0, AssetKind.WHEEL, (), 'a "quoted"\\ näme\n\x7f')
PAGE = LockedPage("https://index.example/a/", "text/html", "gzip", C, 7, "text/html", "read by pywrangler sync", coded=True)
MOVED = LockedPage(
    "https://index.example/A/", "*/*", "identity", C, 0, "", "read", status=301, location="https://index.registry.example/a/"
)
LOCK = Lock.of([WHEEL, BUNDLE], [PAGE, MOVED])
TEXT = render_lock(LOCK)


def test_what_is_written_is_read_back_and_written_the_same() -> None:
    assert parse_lock(TEXT, "assets.lock") == LOCK
    assert render_lock(parse_lock(TEXT, "assets.lock")) == TEXT


def test_the_order_of_entries_makes_no_other_text() -> None:
    """Workers, assets and pages are sorted by drydock, whatever order a merge left them in."""
    other = Lock.of([BUNDLE, WHEEL], [MOVED, PAGE])
    assert render_lock(other) == TEXT
    shuffled = TEXT.replace('["api", "hello"]', '["hello", "api", "hello"]')
    assert shuffled != TEXT
    assert render_lock(parse_lock(shuffled, "assets.lock")) == TEXT


def test_the_text_can_be_reviewed() -> None:
    """One field a line, in a fixed order, with nothing that says only what is usual."""
    assert render_lock(Lock.of([BUNDLE])).splitlines()[2:] == [
        "version = 1",
        "",
        "[[asset]]",
        'url = "https://assets.example/pyodide_1.capnp.bin"',
        f'sha256 = "{A.hex}"',
        "size = 14",
        'kind = "bundle"',
        'workers = ["api", "hello"]',
        'why = "workerd 1.2 asks for it"',
    ]
    assert "status" not in render_lock(Lock.of([], [PAGE]))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("version = 1", "version = 2", r"assets\.lock: expected version = 1, found 2\."),
        ("version = 1", "", r"expected version = 1, found None"),
        ("version = 1", "version = 1\nmode = 3", r"unknown key 'mode'; expected version, asset and page"),
        ("size = 14", "size = 14\nsha512 = 'x'", r"line 5: unknown key 'sha512'; the keys are url, sha256"),
        ("size = 14\n", "", r"line 5: expected the key 'size', which is missing"),
        ("size = 14", "size = -1", r"line 5: expected size to be a whole number that is not negative, found -1"),
        ("size = 14", "size = true", r"expected size to be a whole number that is not negative, found True"),
        ("size = 14", 'size = "14"', r"found '14'"),
        (A.hex, A.hex[:-1], r"line 5: '[0-9a-f]{63}' is not a sha256 digest"),
        (A.hex, A.hex.upper(), r"is not a sha256 digest: expected 64 lower-case"),
        ('kind = "bundle"', 'kind = "film"', r"expected kind to be one of interpreter, wheel, .*, found 'film'"),
        ('["api", "hello"]', '"api"', r"expected workers to be a list of names, found 'api'"),
        ('["api", "hello"]', "[1]", r"expected workers to be a list of names, found \[1\]"),
        ("https://assets.example/", "https://Assets.example/", r"expected the URL as 'https://assets\.example/pyodide"),
        ("https://assets.example/", "file:///", r"line 5: .* is not an absolute http or https URL"),
        ("https://assets.example/", "https://a.example/../", r"dot segments"),
        ('why = "workerd 1.2 asks for it"', "why = 1", r"expected why to be text, found 1"),
        ('encoding = "gzip"', 'encoding = "br"', r"line 32: expected encoding to be one of gzip, identity, found 'br'"),
        ("coded = true", "coded = 1", r"expected coded to be true or false, found 1"),
        ("status = 301", "status = 503", r"expected status to be one that is kept, from 200 to 499, found 503"),
        ('accept = "text/html"', 'accept = "a\\nb: c"', r"expected accept to be one line of ASCII"),
        ("[[asset]]\nurl", "[[asset]\nurl", r"is not valid TOML"),
        ("[[page]]", "[page]", r"is not valid TOML"),
        ("version = 1", "<<<<<<< HEAD\nversion = 1", r"has the marks of a merge that is not finished"),
    ],
)
def test_what_drydock_would_not_have_written_is_refused_with_its_line(old: str, new: str, complaint: str) -> None:
    assert old in TEXT
    with pytest.raises(ConfigError, match=complaint) as caught:
        parse_lock(TEXT.replace(old, new, 1), "assets.lock")
    assert caught.value.message.startswith("assets.lock")
    assert "drydock" in caught.value.remedy


def test_a_url_that_stands_twice_is_refused_with_both_lines() -> None:
    """F52: of two digests for one URL, neither is chosen by where it stands."""
    doubled = TEXT + "\n" + render_lock(Lock.of([replace(BUNDLE, digest=B)])).partition("version = 1\n")[2]
    with pytest.raises(ConfigError, match=r"line 43: https://assets\.example/\S+ stands here .* in assets\.lock, line 5"):
        parse_lock(doubled, "assets.lock")
    page = "\n" + render_lock(Lock.of([], [replace(PAGE, digest=A)])).partition("version = 1\n")[2]
    with pytest.raises(ConfigError, match="for the second time"):
        parse_lock(TEXT + page, "assets.lock")


def test_entries_are_counted_where_lines_cannot_be_told() -> None:
    with pytest.raises(ConfigError, match=r"assets\.lock, asset 2: expected the key 'url'"):
        parse_lock(f"version = 1\nasset = [{{{_inline(BUNDLE)}}}, {{}}]\n", "assets.lock")
    with pytest.raises(ConfigError, match=r"expected asset to be tables with the header \[\[asset\]\], found 3"):
        parse_lock("version = 1\nasset = 3\n", "assets.lock")


def _inline(asset: LockedAsset) -> str:
    return render_lock(Lock.of([asset])).partition("[[asset]]\n")[2].strip().replace("\n", ", ")


def test_an_empty_file_stands_for_no_lock(tmp_path: Path) -> None:
    (tmp_path / "assets.lock").touch()
    assert read_locks([tmp_path / "assets.lock"]).digests() == frozenset()
    assert read_locks([Path("/dev/null")]).assets == ()


def test_no_registry_is_named_in_the_lock_that_git_carries() -> None:
    """Neither by an asset nor by a page, nor by where a page leads, on whatever port."""
    hosts = {"files.registry.example", "index.registry.example"}
    carried, kept_back = split_lock(LOCK, hosts)
    assert (carried, kept_back) == (Lock.of([BUNDLE], [PAGE]), Lock.of([WHEEL], [MOVED]))
    assert "registry.example" not in render_lock(carried)
    assert split_lock(LOCK, {"registry.example"})[0] == LOCK


def test_two_files_are_one_lock(tmp_path: Path) -> None:
    """What is pinned, and the digest of the whole, do not depend on how entries are spread over files, or on comments."""
    path = tmp_path / "assets.lock"
    carried, kept_back = split_lock(LOCK, {"files.registry.example"})
    assert lock_paths(path) == ()
    assert write_lock(path, carried)
    assert lock_paths(path) == (path,)
    assert write_lock(registry_lock(path), kept_back)
    assert registry_lock(path) == tmp_path / "assets.registry.lock"
    locks = read_locks(lock_paths(path))
    assert locks.lock == LOCK
    assert locks.digests() == {A, B, C}
    assert locks.digest_of_lock == Digest.of(TEXT.encode())
    path.write_text("# of ours\n" + path.read_text())
    assert read_locks(lock_paths(path)).digest_of_lock == locks.digest_of_lock
    assert locks.lock.asset(BUNDLE.url) == BUNDLE
    assert locks.lock.asset("https://assets.example/other") is None


def test_an_entry_in_both_files_is_refused(tmp_path: Path) -> None:
    one, two = tmp_path / "assets.lock", tmp_path / "assets.registry.lock"
    write_lock(one, LOCK)
    write_lock(two, Lock.of([replace(BUNDLE, digest=B)]))
    with pytest.raises(ConfigError, match=r"assets\.registry\.lock: https://assets\.example/\S+ is locked in \S+assets\.lock"):
        read_locks([one, two])


def test_a_lock_that_did_not_change_is_left_alone(tmp_path: Path) -> None:
    """Its time stays, so nothing that watches it starts anew; a change replaces the file whole, for all to read."""
    path = tmp_path / "assets.lock"
    assert write_lock(path, LOCK)
    os.utime(path, (1, 1))
    assert not write_lock(path, LOCK)
    assert path.stat().st_mtime == 1
    assert write_lock(path, Lock())
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_no_lock_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"The lock \S+ cannot be read: No such file or directory"):
        read_locks([tmp_path / "none.lock"])
    (tmp_path / "binary.lock").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"binary\.lock is not UTF-8"):
        read_locks([tmp_path / "binary.lock"])
    with pytest.raises(ConfigError, match=r"cannot be written: No such file or directory"):
        write_lock(tmp_path / "none" / "assets.lock", LOCK)


def test_a_write_that_fails_leaves_the_old_lock_and_nothing_else(tmp_path: Path) -> None:
    """On a disk that is full: the lock is as it was, and the sentence says why."""
    with small_disk(tmp_path / "disk", "64k") as disk:
        path = disk / "assets.lock"
        write_lock(path, LOCK)
        large = Lock.of(replace(BUNDLE, url=f"https://assets.example/{number}") for number in range(2000))
        with pytest.raises(ConfigError, match=r"assets\.lock cannot be written: No space left on device"):
            write_lock(path, large)
        assert read_locks([path]).lock == LOCK
        assert list(disk.iterdir()) == [path]
