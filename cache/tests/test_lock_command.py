"""`drydock lock` and what follows it: the lock decides, warm fetches what it says, and nothing changes it unasked."""

import asyncio
import hashlib
import json
import os
import tomllib
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest
from drydock_cache.digest import Digest
from drydock_cache.locked import REHEARSED, LockedAsset
from drydock_cache.lockfile import Lock, read_locks, registry_lock, write_lock
from drydock_cache.plan import Asset, AssetKind, Plan, plan_to_json
from drydock_cache.upstream_settings import UpstreamSettings

from cache.tests.command_line import Run, one_sentence, outside
from cache.tests.conftest import OpenStore
from cache.tests.harness import ASSETS, PAGES, Drydock
from tests.upstream.scripted import Upstream

BODY, OTHER, WHEEL_BODY = os.urandom(30_000), os.urandom(30_000), os.urandom(5_000)
BUNDLE = Asset(f"{ASSETS}/pyodide_1.capnp.bin", AssetKind.BUNDLE, Digest.of(BODY), None, "workerd 1.1 asks for it", "hello")
SHA512 = "sha512-" + b64encode(hashlib.sha512(WHEEL_BODY).digest()).decode()
WHEEL = Asset("https://other.example/files/a.whl", AssetKind.WHEEL, None, None, "pylock.toml: a 1", "hello, api", SHA512)
PLAN = Plan((BUNDLE, WHEEL), ())
PAGE = b"<a href=a.whl>a.whl</a>"


@pytest.fixture
def place(place: Path, internet: Upstream, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose registry is other.example, as its clients are configured, with a plan and an upstream that has it all."""
    (place / "drydock.toml").write_text(
        'pin = ["assets.example"]\nrevalidate = ["index.example"]\nregistries = ["python", "npm"]\n'
    )
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://other.example/simple/")
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://other.example/")
    monkeypatch.setenv("PATH", "/nonexistent")  # no client is installed here
    monkeypatch.setenv("HOME", str(place))
    internet.route("/pyodide_1.capnp.bin", BODY)
    internet.route("/files/a.whl", WHEEL_BODY)
    internet.route("/b.bin", OTHER)
    plan(place, PLAN)
    return place


def plan(place: Path, plan: Plan) -> None:
    (place / "plan.json").write_text(plan_to_json(plan))


@pytest.fixture
def lock(command: Run, internet: Upstream, authority_file: Path) -> Run:
    """Runs drydock lock with the plan of the project."""
    return lambda *arguments: command("lock", "--plan", "plan.json", *outside(internet, authority_file), *arguments)


@pytest.fixture
def check(command: Run) -> Run:
    """Runs drydock lock --check with the plan of the project, with no way to upstream."""
    return lambda *arguments: command("lock", "--plan", "plan.json", "--check", *arguments)


def test_the_lock_names_every_asset_with_digest_size_and_reason(lock: Run, place: Path) -> None:
    """What nobody knew beforehand was fetched for it; what names a registry is in the second file alone."""
    done = lock()
    assert done.returncode == 0, done.stderr
    (bundle,) = tomllib.loads((place / "assets.lock").read_text())["asset"]
    assert bundle == {
        "url": BUNDLE.url,
        "sha256": hashlib.sha256(BODY).hexdigest(),
        "size": len(BODY),
        "kind": "bundle",
        "workers": ["hello"],
        "why": "workerd 1.1 asks for it",
    }
    (wheel,) = tomllib.loads((place / "assets.registry.lock").read_text())["asset"]
    assert (wheel["url"], wheel["size"], wheel["workers"]) == (WHEEL.url, len(WHEEL_BODY), ["api", "hello"])
    assert wheel["sha256"] == hashlib.sha256(WHEEL_BODY).hexdigest()
    assert "other.example" not in (place / "assets.lock").read_text()
    assert done.stdout.splitlines() == [f"new: {BUNDLE.url} (workerd 1.1 asks for it)", f"new: {WHEEL.url} (pylock.toml: a 1)"]


def test_a_second_run_asks_nobody_and_changes_nothing(lock: Run, place: Path, internet: Upstream) -> None:
    lock()
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(place.glob("*.lock"))]
    asked = internet.connections
    done = lock()
    assert (done.returncode, done.stdout, internet.connections) == (0, "", asked)
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(place.glob("*.lock"))] == before


def test_the_first_download_is_checked_against_what_the_runtime_insists_on(lock: Run, place: Path, internet: Upstream) -> None:
    """A poisoned first download is caught, both digests are named, and no lock is written."""
    internet.route("/pyodide_1.capnp.bin", OTHER)
    done = lock()
    assert done.returncode == 1
    assert f"expected {Digest.of(BODY)}, found {Digest.of(OTHER)}" in done.stderr
    assert not (place / "assets.lock").exists()


OUTDATED = (
    (Plan((BUNDLE, replace(BUNDLE, url=f"{ASSETS}/b.bin"), WHEEL), ()), f"new: {ASSETS}/b.bin (workerd 1.1 asks for it)"),
    (Plan((WHEEL,), ()), f"gone: {BUNDLE.url} (workerd 1.1 asks for it)"),
    (Plan((BUNDLE,), ()), f"gone: {WHEEL.url} (pylock.toml: a 1)"),
    (
        Plan((replace(BUNDLE, digest=Digest.of(OTHER)), WHEEL), ()),
        f"{BUNDLE.url}: the digest changed: locked is {Digest.of(BODY)}, asked for is {Digest.of(OTHER)}",
    ),
    (Plan((replace(BUNDLE, worker="api"), WHEEL), ()), f"{BUNDLE.url}: other Workers: locked for hello, asked for by api"),
    (
        Plan((replace(BUNDLE, reason="workerd 1.2 asks for it"), WHEEL), ()),
        f"{BUNDLE.url}: another reason: locked because 'workerd 1.1 asks for it', asked for because 'workerd 1.2 asks for it'",
    ),
    (
        Plan((BUNDLE, replace(WHEEL, size=3)), ()),
        f"{WHEEL.url}: the size changed: locked are {len(WHEEL_BODY)} bytes, asked for are 3",
    ),
    (
        Plan((BUNDLE, replace(WHEEL, kind=AssetKind.NPM)), ()),
        f"{WHEEL.url}: the kind changed: locked as wheel, asked for as npm",
    ),
)
# What a Worker needs that has no pylock.toml at the moment is not known, which is not the same as gone.
UP_TO_DATE = (PLAN, Plan((BUNDLE,), (), ("api", "hello")), Plan((BUNDLE, replace(WHEEL, worker="api")), (), ("hello",)))


def test_check_says_entry_by_entry_what_is_out_of_date(lock: Run, check: Run, place: Path, internet: Upstream) -> None:
    """With no network, without touching a file: one line for what changed, and nothing about what did not."""
    lock()
    before = {path: path.read_bytes() for path in place.glob("*.lock")}
    asked = internet.connections
    for after, sentence in OUTDATED:
        plan(place, after)
        done = check()
        assert (done.returncode, done.stdout) == (1, f"{sentence}\n")
        assert "assets.lock is out of date" in done.stderr
    for same in UP_TO_DATE:
        plan(place, same)
        done = check()
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert "assets.lock is up to date: 2 assets, 0 index pages" in done.stderr
    assert {path: path.read_bytes() for path in place.glob("*.lock")} == before
    assert internet.connections == asked


def test_what_a_rehearsal_added_stays(lock: Run, check: Run, place: Path, internet: Upstream) -> None:
    """A Worker's packages for CPython, for example, are wheels that no pylock.toml names."""
    lock()
    beside = place / "assets.registry.lock"
    entry = LockedAsset(
        "https://other.example/files/b.whl", Digest.of(WHEEL_BODY), len(WHEEL_BODY), AssetKind.WHEEL, ("api",), REHEARSED
    )
    (before,) = read_locks([beside]).assets
    write_lock(beside, Lock.of([before, entry]))
    internet.route("/files/b.whl", WHEEL_BODY)
    written = beside.read_text()
    assert check().returncode == 0
    assert lock().returncode == 0
    assert beside.read_text() == written


def test_check_compares_sizes_with_the_store(lock: Run, check: Run, place: Path) -> None:
    """No source but the bytes themselves tells them."""
    lock()
    path = place / "assets.lock"
    path.write_text(path.read_text().replace(f"size = {len(BODY)}", "size = 5"))
    done = check()
    digest = Digest.of(BODY)
    assert (done.returncode, done.stdout) == (1, f"{BUNDLE.url}: the size is locked as 5 bytes; {digest} has 30,000\n")


def test_check_without_the_registries_file_checks_the_rest_and_says_so(lock: Run, check: Run, place: Path) -> None:
    """In a checkout whose git ignores it; an empty file, as a container may be given, is no other than none."""
    lock()
    (place / "assets.registry.lock").write_text("")
    assert check().returncode == 0
    (place / "assets.registry.lock").unlink()
    done = check()
    assert done.returncode == 0, done.stderr
    assert "what comes from package registries is not checked" in done.stderr
    plan(place, Plan((WHEEL,), ()))
    assert check().stdout == f"gone: {BUNDLE.url} (workerd 1.1 asks for it)\n"


def test_check_finds_a_registry_in_the_wrong_file_and_a_spelling_that_is_not_drydocks(
    lock: Run, check: Run, place: Path
) -> None:
    lock()
    path = place / "assets.lock"
    write_lock(path, read_locks([path, registry_lock(path)]).lock)
    registry_lock(path).write_text("version = 1\n")
    path.write_text(path.read_text().replace("size", "size ", 1))
    done = check()
    assert done.returncode == 1
    assert f"names a package registry: {WHEEL.url}" in done.stdout
    assert "assets.lock is not as drydock lock writes it" in done.stdout


def test_check_without_a_lock_says_how_to_write_one(check: Run, place: Path) -> None:
    error, mend = one_sentence(check())
    assert (error, mend) == ("There is no lock assets.lock.", "Write it with: drydock lock")


def test_an_edited_digest_is_a_conflict_and_never_followed(
    lock: Run, check: Run, command: Run, place: Path, internet: Upstream, authority_file: Path, open_store: OpenStore
) -> None:
    """F52: lock, check and warm name both digests and end with 1; the store goes on with what it followed."""
    lock()
    path = place / "assets.lock"
    edited = path.read_text().replace(Digest.of(BODY).hex, Digest.of(OTHER).hex)
    path.write_text(edited)
    both = (str(Digest.of(BODY)), str(Digest.of(OTHER)))
    for done in (lock(), check(), command("warm", *outside(internet, authority_file))):
        assert done.returncode == 1
        assert all(digest in done.stdout + done.stderr for digest in both)
        assert path.read_text() == edited
    known = open_store(place / "store").index.expected(BUNDLE.url)
    assert known is not None
    assert known.digest == Digest.of(BODY)


def test_a_digest_that_nobody_but_the_lock_knows_is_no_less_bound(lock: Run, place: Path, internet: Upstream) -> None:
    """F52: other bytes upstream do not get into the lock by making it anew; --accept takes them, for that URL alone."""
    lock()
    (place / "store").rename(place / "lost")
    changed = WHEEL_BODY[::-1]
    internet.route("/files/a.whl", changed)
    plan(place, Plan((BUNDLE, replace(WHEEL, integrity="")), ()))
    before = (place / "assets.registry.lock").read_text()
    refused = lock()
    assert refused.returncode == 1
    assert f"expected {Digest.of(WHEEL_BODY)}, found {Digest.of(changed)}" in refused.stderr
    assert f"drydock lock --accept {WHEEL.url}" in refused.stderr
    assert (place / "assets.registry.lock").read_text() == before
    accepted = lock("--accept", WHEEL.url)
    assert accepted.returncode == 0, accepted.stderr
    assert f"the digest changed: locked is {Digest.of(WHEEL_BODY)}, asked for is {Digest.of(changed)}" in accepted.stdout
    assert lock().stdout == ""


def test_a_new_digest_of_the_runtime_for_a_locked_url_has_to_be_accepted(lock: Run, place: Path, internet: Upstream) -> None:
    lock()
    plan(place, Plan((replace(BUNDLE, digest=Digest.of(OTHER)), WHEEL), ()))
    internet.route("/pyodide_1.capnp.bin", OTHER)
    error, mend = one_sentence(lock())
    assert f"names {Digest.of(BODY)}, and now {Digest.of(OTHER)} is asked for (workerd 1.1 asks for it)" in error
    assert mend.endswith(f"drydock lock --accept {BUNDLE.url}")
    assert lock("--accept", BUNDLE.url).returncode == 0
    assert read_locks([place / "assets.lock"]).assets[0].digest == Digest.of(OTHER)
    error, _ = one_sentence(lock("--accept", f"{ASSETS}/none"))
    assert "https://assets.example/none is nothing that the project downloads" in error


def test_an_older_lock_is_not_followed_until_it_is_accepted(
    lock: Run, command: Run, place: Path, internet: Upstream, authority_file: Path
) -> None:
    """F52."""
    lock()
    older = (place / "assets.lock").read_bytes()
    plan(place, Plan((BUNDLE, WHEEL, Asset(f"{ASSETS}/b.bin", AssetKind.STDLIB, None, None, "more", "hello")), ()))
    lock()
    (place / "assets.lock").write_bytes(older)
    warm = ["warm", *outside(internet, authority_file)]
    error, mend = one_sentence(command(*warm))
    assert "assets.lock is an older one" in error
    assert "--accept-older" in mend
    assert lock().returncode == 1
    assert command(*warm, "--accept-older").returncode == 0
    assert command(*warm).returncode == 0


def test_warm_fetches_what_the_lock_says_and_checks_every_byte(
    lock: Run, command: Run, place: Path, internet: Upstream, authority_file: Path, open_store: OpenStore
) -> None:
    """On another machine: no plan, no Workers, only the two files; other bytes are refused with both digests."""
    lock()
    (place / "store").rename(place / "elsewhere")
    internet.route("/files/a.whl", WHEEL_BODY[::-1])
    wrong = command("warm", *outside(internet, authority_file))
    assert wrong.returncode == 1
    assert f"expected {Digest.of(WHEEL_BODY)}, found {Digest.of(WHEEL_BODY[::-1])}" in wrong.stderr
    internet.route("/files/a.whl", WHEEL_BODY)
    right = command("warm", *outside(internet, authority_file))
    assert right.returncode == 0, right.stderr
    store = open_store(place / "store")
    assert {stored.blob.digest for stored in store.responses()} == {Digest.of(BODY), Digest.of(WHEEL_BODY)}


def test_warm_with_a_plan_and_a_lock_holds_the_plan_to_the_lock(
    lock: Run, command: Run, place: Path, internet: Upstream, authority_file: Path
) -> None:
    """What the lock does not name is fetched as well, and said; what contradicts it is refused."""
    lock()
    more = Asset(f"{ASSETS}/b.bin", AssetKind.STDLIB, None, None, "more", "hello")
    plan(place, Plan((BUNDLE, more), ()))
    warm = ["warm", "--plan", "plan.json", *outside(internet, authority_file)]
    done = command(*warm)
    assert done.returncode == 0, done.stderr
    assert "1 fetched" in done.stderr
    assert f"note: the lock does not name {more.url}" in done.stderr
    plan(place, Plan((replace(BUNDLE, digest=Digest.of(OTHER)),), ()))
    error, _ = one_sentence(command(*warm))
    assert f"names {Digest.of(BODY)}, and now {Digest.of(OTHER)} is asked for" in error
    assert "pyodide_1.capnp.bin" in command("warm", "--dry-run").stdout


def test_what_was_locked_by_hand_stays_until_the_lock_is_edited(
    lock: Run, command: Run, place: Path, internet: Upstream, authority_file: Path
) -> None:
    """No plan knows it: it stays through later runs, and without a plan the others stay, too."""
    assert lock("--url", f"{ASSETS}/b.bin").returncode == 0
    lock()
    names = [asset.url for asset in read_locks([place / "assets.lock"]).assets]
    assert names == [f"{ASSETS}/b.bin", BUNDLE.url]
    assert command("lock", "--url", f"{ASSETS}/b.bin", *outside(internet, authority_file)).stdout == ""


def test_pages_that_were_read_are_locked_as_they_were(
    lock: Run, settings: UpstreamSettings, internet: Upstream, place: Path, open_store: OpenStore
) -> None:
    """Every variant, a redirect and a "not found" as well; a later version of a page changes the lock only when told to."""
    read_pages(settings, internet, place, PAGE)
    assert lock().returncode == 0
    pages = read_locks([place / "assets.lock"]).pages
    assert [(page.url, page.accept, page.encoding, page.status) for page in pages] == [
        (f"{PAGES}/simple/A/", "*/*", "identity", 301),
        (f"{PAGES}/simple/a/", "*/*", "gzip", 200),
        (f"{PAGES}/simple/a/", "application/json;q=1,text/html", "identity", 200),
        (f"{PAGES}/simple/none/", "*/*", "identity", 404),
    ]
    assert (pages[0].location, pages[1].digest, pages[1].content_type) == ("/simple/a/", Digest.of(PAGE), "text/html")
    assert lock().stdout == ""
    read_pages(settings, internet, place, b"newer")
    assert lock().stdout == ""
    updated = lock("--update-pages")
    assert f"page: {PAGES}/simple/a/ (*/*): {Digest.of(PAGE)} became {Digest.of(b'newer')}" in updated.stdout


def read_pages(settings: UpstreamSettings, internet: Upstream, place: Path, page: bytes) -> None:
    """Read pages through drydock, as a resolver does, into the store of the project."""
    internet.route("/simple/a/", page, cache_control="max-age=0", content_type="text/html")
    internet.route("/simple/A/", b"", status=301, cache_control="max-age=600", headers=(("Location", "/simple/a/"),))

    async def read() -> None:
        reader = Drydock(place / "store", settings)
        await reader.get(f"{PAGES}/simple/a/", accept_encoding="gzip")
        await reader.get(f"{PAGES}/simple/a/", accept="application/json; q=1, text/html")
        await reader.get(f"{PAGES}/simple/A/")
        await reader.get(f"{PAGES}/simple/none/")
        await reader.close()

    asyncio.run(read())


def test_pages_that_were_read_before_a_time_are_left_out(
    lock: Run, settings: UpstreamSettings, internet: Upstream, place: Path
) -> None:
    read_pages(settings, internet, place, PAGE)
    assert lock("--used-since", "2100-01-01T00:00:00").returncode == 0
    assert read_locks([place / "assets.lock"]).pages == ()
    assert lock("--used-since", "2020-01-01T00:00:00").returncode == 0
    assert len(read_locks([place / "assets.lock"]).pages) == 4


def test_warm_brings_locked_pages_or_says_that_they_are_others_by_now(
    lock: Run, command: Run, settings: UpstreamSettings, internet: Upstream, place: Path, authority_file: Path
) -> None:
    read_pages(settings, internet, place, PAGE)
    lock()
    (place / "store").rename(place / "elsewhere")
    done = command("warm", *outside(internet, authority_file))
    assert done.returncode == 0, done.stderr
    assert "2 fetched (35,000 bytes), 0 present, 3 index pages fetched, 0 failed" in done.stderr
    (place / "store").rename(place / "once more")
    internet.route("/simple/a/", b"newer", cache_control="max-age=600")
    done = command("warm", *outside(internet, authority_file))
    assert done.returncode == 1
    assert (
        f"is another page than was locked: expected {Digest.of(PAGE)} with status 200, found {Digest.of(b'newer')}"
        in done.stderr
    )
    assert "drydock export there, drydock import here" in done.stderr


def test_there_must_be_something_to_lock(command: Run, place: Path) -> None:
    """A check that compares with nothing would always pass."""
    named = "Name Workers' folders, such as workers/hello, or give --plan FILE."
    assert one_sentence(command("lock")) == ("There is nothing to lock.", named)
    (place / "assets.lock").write_text("version = 1\n")
    assert one_sentence(command("lock")) == ("There is nothing to lock.", named)
    assert one_sentence(command("lock", "--check")) == ("There is nothing to check the lock against.", named)


def test_what_the_proxy_would_not_serve_is_not_locked(lock: Run, place: Path) -> None:
    plan(place, Plan((replace(BUNDLE, url="https://index.example/a"),), ()))
    assert "is not an asset by the policy" in one_sentence(lock())[0]


def test_a_javascript_worker_is_locked_from_its_own_package_lock(
    command: Run, place: Path, internet: Upstream, authority_file: Path
) -> None:
    """The whole way without a plan file: folders are named, their locks are read, and the registry is in the second file."""
    worker = place / "js"
    worker.mkdir()
    (worker / "wrangler.jsonc").write_text('{"name": "js", "main": "index.js", "compatibility_date": "2026-01-01"}')
    entry = {"version": "1.0.0", "integrity": SHA512}
    (worker / "package-lock.json").write_text(json.dumps({"lockfileVersion": 3, "packages": {"node_modules/left": entry}}))
    internet.route("/left/-/left-1.0.0.tgz", WHEEL_BODY)
    workerd = place / "workerd"
    workerd.write_text("#!/bin/sh\nexit 1\n")
    workerd.chmod(0o755)
    done = command("lock", "js", "--workerd", "workerd", *outside(internet, authority_file))
    assert done.returncode == 0, done.stderr
    assert read_locks([place / "assets.lock"]).lock == Lock()
    (locked,) = read_locks([place / "assets.registry.lock"]).assets
    assert (locked.kind, locked.workers, locked.why) == (AssetKind.NPM, ("js",), "package-lock.json: left 1.0.0")
    assert command("lock", "js", "--workerd", "workerd", "--check").returncode == 0
