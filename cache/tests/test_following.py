"""Following a lock: it binds what is served, and nothing in it that contradicts an earlier one is taken over by itself."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest
from drydock_cache.digest import Digest
from drydock_cache.following import LockConflictError, follow
from drydock_cache.index import Index
from drydock_cache.locked import Lock, LockedAsset, LockedPage
from drydock_cache.lockfile import Locks, read_locks, write_lock
from drydock_cache.mode import Mode
from drydock_cache.plan import AssetKind

from cache.tests.conftest import OpenStore, StartDrydock
from cache.tests.disks import read_only
from cache.tests.harness import ASSETS, PAGES, Drydock
from cache.tests.processes import run_all
from tests.upstream.scripted import Upstream

BODY, OTHER = os.urandom(3000), os.urandom(3000)
URL = f"{ASSETS}/python/pyodide_1.capnp.bin"
PAGE_URL = f"{PAGES}/simple/a/"
OLD_PAGE, NEW_PAGE = b"<a href=a-1.whl>a-1.whl</a>", b"<a href=a-2.whl>a-2.whl</a>"
BUNDLE = LockedAsset(URL, Digest.of(BODY), len(BODY), AssetKind.BUNDLE, ("hello",), "a test")
PAGE = LockedPage(PAGE_URL, "text/html", "identity", Digest.of(OLD_PAGE), len(OLD_PAGE), "text/html; charset=utf-8", "a test")


def locks(path: Path, *assets: LockedAsset, pages: tuple[LockedPage, ...] = ()) -> Locks:
    """Write a lock and read it."""
    write_lock(path, Lock.of(assets, pages))
    return read_locks([path])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the project's lock lies."""
    return tmp_path / "assets.lock"


async def test_other_bytes_than_the_lock_names_are_refused_with_both_digests(
    drydock: Drydock, internet: Upstream, path: Path
) -> None:
    follow(drydock.store, locks(path, BUNDLE))
    internet.route("/python/pyodide_1.capnp.bin", OTHER)
    wrong = await drydock.get(URL)
    assert not wrong.whole
    assert f"expected {Digest.of(BODY)}, found {Digest.of(OTHER)}" in wrong.cut
    internet.route("/python/pyodide_1.capnp.bin", BODY)
    assert (await drydock.get(URL)).body == BODY
    assert (await drydock.get(URL)).outcome == "hit"


async def test_a_store_that_was_poisoned_before_is_healed_by_the_lock(drydock: Drydock, internet: Upstream, path: Path) -> None:
    """What came when nobody knew a digest is served no more, neither by the proxy nor from the view that workerd reads."""
    internet.route("/python/pyodide_1.capnp.bin", OTHER)
    assert (await drydock.get(URL)).body == OTHER
    shown = drydock.root / "runtime" / "pyodide_1.capnp.bin"
    assert shown.read_bytes() == OTHER
    follow(drydock.store, locks(path, BUNDLE))
    assert not shown.exists()
    assert (drydock.root / "runtime" / "SHA256SUMS").read_text() == ""
    drydock.store.show_all()
    assert not shown.exists()
    internet.route("/python/pyodide_1.capnp.bin", BODY)
    assert (await drydock.get(URL)).body == BODY
    assert shown.read_bytes() == BODY


async def test_offline_other_bytes_are_refused_with_both_digests(
    start_drydock: StartDrydock, internet: Upstream, path: Path
) -> None:
    internet.route("/python/pyodide_1.capnp.bin", OTHER)
    await start_drydock().get(URL)
    offline = start_drydock(mode=Mode.OFFLINE)
    follow(offline.store, locks(path, BUNDLE))
    refused = await offline.get(URL)
    assert refused.status == 504
    assert f"expected {Digest.of(BODY)}, found {Digest.of(OTHER)}; and drydock is offline".encode() in refused.body
    assert b"drydock warm --url" in refused.body
    assert (internet.count("/python/pyodide_1.capnp.bin"), offline.upstream.connections_tried) == (1, 0)


async def test_offline_a_locked_page_answers_with_its_exact_bytes_although_a_newer_one_is_there(
    start_drydock: StartDrydock, internet: Upstream, path: Path
) -> None:
    """Online the newer page is served; offline the snapshot, marked as one, and confirmed to a client that has it."""
    online = start_drydock()
    internet.route("/simple/a/", OLD_PAGE, cache_control="max-age=0", content_type="text/html; charset=utf-8")
    await online.get(PAGE_URL, accept="text/html")
    follow(online.store, locks(path, pages=(PAGE,)))
    internet.route("/simple/a/", NEW_PAGE, cache_control="max-age=600", content_type="text/html; charset=utf-8")
    assert (await online.get(PAGE_URL, accept="text/html")).body == NEW_PAGE
    offline = start_drydock(mode=Mode.OFFLINE)
    for accepted in ("identity", "gzip, deflate"):
        seen = await offline.get(PAGE_URL, accept="text/html", accept_encoding=accepted)
        assert (seen.status, seen.body, seen.outcome) == (200, OLD_PAGE, "hit")
        assert seen.cache_status == "drydock; hit; detail=locked-snapshot"
        assert seen.headers["content-type"] == "text/html; charset=utf-8"
    again = await offline.get(PAGE_URL, accept="text/html", if_none_match=seen.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    other = await offline.get(PAGE_URL, accept="application/json")
    assert other.status == 504
    follow(offline.store, locks(path))
    assert (await offline.get(PAGE_URL, accept="text/html")).body == NEW_PAGE
    assert offline.upstream.connections_tried == 0


async def test_offline_a_locked_page_that_is_not_here_is_a_miss_although_another_is(
    start_drydock: StartDrydock, internet: Upstream, path: Path
) -> None:
    """Another page would make another resolution: 504 within a second, with the URL, the reason and the command."""
    internet.route("/simple/a/", NEW_PAGE, cache_control="max-age=600")
    await start_drydock().get(PAGE_URL, accept="text/html")
    offline = start_drydock(mode=Mode.OFFLINE)
    follow(offline.store, locks(path, pages=(PAGE,)))
    async with asyncio.timeout(1):
        seen = await offline.get(PAGE_URL, accept="text/html")
    assert (seen.status, seen.cache_status) == (504, "drydock; fwd=uri-miss; detail=offline")
    for said in (PAGE_URL, f"is locked as {Digest.of(OLD_PAGE)}, which is not in the store", "drydock rehearse -- "):
        assert said.encode() in seen.body


async def test_a_locked_redirect_and_a_locked_absence_answer_as_upstream_did(
    start_drydock: StartDrydock, path: Path, internet: Upstream
) -> None:
    """A resolver goes on after a 404; after anything else it stops."""
    internet.route("/simple/A/", b"", status=301, cache_control="max-age=9", headers=(("Location", "/simple/a/"),))
    online = start_drydock()
    assert (await online.get(f"{PAGES}/simple/A/")).status == 301
    assert (await online.get(f"{PAGES}/simple/none/")).status == 404
    absent = next(one for one in online.store.responses() if one.status == 404)
    moved = replace(
        PAGE, url=f"{PAGES}/simple/A/", accept="*/*", digest=Digest.of(b""), size=0, status=301, location="/simple/a/"
    )
    none = replace(
        PAGE, url=f"{PAGES}/simple/none/", accept="*/*", digest=absent.blob.digest, size=absent.blob.size, status=404
    )
    offline = start_drydock(mode=Mode.OFFLINE)
    follow(offline.store, locks(path, pages=(moved, none)))
    seen = await offline.get(moved.url)
    assert (seen.status, seen.headers["location"], seen.body) == (301, "/simple/a/", b"")
    seen = await offline.get(none.url)
    assert (seen.status, seen.cache_status) == (404, "drydock; hit; detail=locked-snapshot")


def test_another_digest_for_a_locked_url_is_a_conflict_until_it_is_accepted(drydock: Drydock, path: Path) -> None:
    """F52: an edited sha is reported with both digests and the option, and nothing of that lock is taken over."""
    follow(drydock.store, locks(path, BUNDLE))
    second = replace(BUNDLE, url=f"{ASSETS}/b.whl", kind=AssetKind.WHEEL)
    edited = locks(path, replace(BUNDLE, digest=Digest.of(OTHER)), second, pages=(PAGE,))
    with pytest.raises(LockConflictError) as caught:
        follow(drydock.store, edited)
    assert f"for {URL} it names {Digest.of(OTHER)}, and {Digest.of(BODY)} was followed so far" in caught.value.message
    assert caught.value.remedy.endswith(f"accept it with: drydock warm --accept {URL}")
    assert expected(drydock.store.index, URL) == Digest.of(BODY)
    assert expected(drydock.store.index, second.url) is None
    follow(drydock.store, edited, {URL})
    assert expected(drydock.store.index, URL) == Digest.of(OTHER)


def expected(index: Index, url: str) -> Digest | None:
    found = index.expected(url)
    return found.digest if found else None


def test_an_older_lock_is_a_conflict_until_it_is_accepted(drydock: Drydock, path: Path) -> None:
    """F52: a lock that was replaced does not come back by itself, although no digest of it contradicts the newer one."""
    newer = replace(BUNDLE, url=f"{ASSETS}/pyodide_2.capnp.bin")
    follow(drydock.store, locks(path, BUNDLE))
    follow(drydock.store, locks(path, newer))
    follow(drydock.store, locks(path, newer))
    older = locks(path, BUNDLE)
    with pytest.raises(
        LockConflictError, match=r"assets\.lock is an older one, which was replaced by the lock sha256:"
    ) as caught:
        follow(drydock.store, older)
    assert caught.value.remedy.endswith("accept it with: drydock warm --accept-older")
    follow(drydock.store, older, accept_older=True)
    follow(drydock.store, older)
    with pytest.raises(LockConflictError, match="is an older one"):
        follow(drydock.store, locks(path, newer))


def test_locks_of_two_projects_may_share_a_store(drydock: Drydock, tmp_path: Path) -> None:
    """Each is followed by its own path: the one project's lock is no older one of the other."""
    paths = [tmp_path / "one.lock", tmp_path / "two.lock"]
    both = [locks(paths[0], BUNDLE), locks(paths[1], replace(BUNDLE, url=f"{ASSETS}/b"), pages=(PAGE,))]
    for _ in range(2):
        for one in both:
            follow(drydock.store, one)


def test_many_conflicts_are_counted_and_not_all_printed(drydock: Drydock, path: Path) -> None:
    many = [replace(BUNDLE, url=f"{ASSETS}/{number}") for number in range(9)]
    follow(drydock.store, locks(path, *many))
    with pytest.raises(LockConflictError, match=r"; and 4 more\.") as caught:
        follow(drydock.store, locks(path, *(replace(one, digest=Digest.of(OTHER)) for one in many)))
    assert len(caught.value.conflicts) == 9
    assert caught.value.remedy.count("drydock warm") == 1
    assert all(f"--accept {one.url}" in caught.value.remedy for one in many)


async def test_a_store_of_an_older_drydock_is_read_without_the_tables_that_it_lacks(
    start_drydock: StartDrydock, path: Path, internet: Upstream
) -> None:
    """F32: read-only, it cannot be brought up to date, and serves its pages as it did."""
    internet.route("/simple/a/", OLD_PAGE, cache_control="max-age=600")
    drydock = start_drydock()
    await drydock.get(PAGE_URL)
    drydock.store.index.change([("DROP TABLE locked_page", [()]), ("PRAGMA user_version = 1", [()])])
    await drydock.close()
    with read_only(drydock.root):
        old = start_drydock(mode=Mode.OFFLINE)
        assert (await old.get(PAGE_URL)).body == OLD_PAGE
        await old.close()


async def test_a_store_that_lacks_but_later_tables_still_answers_with_its_snapshots(
    start_drydock: StartDrydock, path: Path, internet: Upstream
) -> None:
    """F32: what was locked is not lost to a newer drydock that cannot write."""
    internet.route("/simple/a/", OLD_PAGE, cache_control="max-age=0")
    drydock = start_drydock()
    await drydock.get(PAGE_URL, accept="text/html")
    follow(drydock.store, locks(path, pages=(PAGE,)))
    internet.route("/simple/a/", NEW_PAGE, cache_control="max-age=600")
    await drydock.get(PAGE_URL, accept="text/html")
    drydock.store.index.change([("PRAGMA user_version = 2", [()])])
    await drydock.close()
    with read_only(drydock.root):
        old = start_drydock(mode=Mode.OFFLINE)
        assert (await old.get(PAGE_URL, accept="text/html")).body == OLD_PAGE
        await old.close()


def test_processes_that_start_at_once_follow_one_lock_once(path: Path, tmp_path: Path, open_store: OpenStore) -> None:
    """The proxy and warm do, on a store that neither has made yet; each newer lock is followed once, too."""
    first = locks(path, BUNDLE).files[0].digest
    code = """
    from drydock_cache.following import follow
    from drydock_cache.lockfile import read_locks
    for _ in range(20):
        store = Store.open(root)
        follow(store, read_locks([root.parent / "assets.lock"]))
        store.close()
    """
    run_all(code, tmp_path / "store", 4)
    newer = locks(path, BUNDLE, replace(BUNDLE, url=f"{URL}x")).files[0].digest
    run_all(code, tmp_path / "store", 4)
    store = open_store(tmp_path / "store")
    assert store.index.read("SELECT digest FROM followed_lock ORDER BY number") == [(first.hex,), (newer.hex,)]
