"""Verifying: every byte is read again whatever was believed before, every disagreement is one line, and --repair mends it."""

import json
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from drydock_cache.digest import Digest
from drydock_cache.index import Expected, StoredResponse
from drydock_cache.keys import CacheKey
from drydock_cache.locked import Lock, LockedAsset, LockedPage
from drydock_cache.lockfile import write_lock
from drydock_cache.overview import read_verified
from drydock_cache.plan import AssetKind
from drydock_cache.store import Store
from drydock_cache.verify import Finding, Problem, verify

from cache.tests.command_line import Done, Run
from cache.tests.conftest import OpenStore
from cache.tests.disks import read_only
from cache.tests.processes import ready
from cache.tests.test_store import put
from tests.upstream.scripted import Upstream

BUNDLE, OTHER = "https://assets.example/pyodide_1.capnp.bin", "https://assets.example/other"
PAGE = "https://index.example/simple/"
BODY = os.urandom(20_000)


@pytest.fixture
def store(tmp_path: Path, open_store: OpenStore) -> Store:
    """A store with a bundle and another asset."""
    store = open_store(tmp_path / "store")
    put(store, BUNDLE, BODY)
    put(store, OTHER, b"other")
    return store


def path_of(store: Store, body: bytes) -> Path:
    return store.blobs.path(Digest.of(body))


def overwrite(path: Path, data: bytes) -> None:
    """Change a file where it lies, keeping size and mtime where the data allows: no cache of identities would notice."""
    status = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def found(store: Store, lock: Lock = Lock()) -> list[tuple[Problem, str]]:  # noqa: B008 - frozen
    """Return what is wrong, in short."""
    return [(finding.problem, finding.what) for finding in verify(store, lock).findings]


def asset(url: str, body: bytes) -> LockedAsset:
    return LockedAsset(url, Digest.of(body), len(body), AssetKind.OTHER, ("hello",), "a test")


def page(body: bytes) -> LockedPage:
    return LockedPage(PAGE, "*/*", "identity", Digest.of(body), len(body), "text/html", "a test")


def test_a_store_in_order_has_no_findings(store: Store) -> None:
    """Everything that was read is told."""
    told: list[tuple[int, int]] = []
    report = verify(store, Lock.of([asset(BUNDLE, BODY)]), lambda done, whole: told.append((done, whole)))
    assert report.findings == ()
    assert report.verified == {Digest.of(BODY), Digest.of(b"other")}
    assert (report.size, report.responses, told[-1]) == (len(BODY) + 5, 2, (2, 2))


def test_a_flipped_byte_is_found_although_the_blob_was_read_before(store: Store) -> None:
    """F22: this very store has verified the blob; the file has its inode, size and mtime still."""
    stored = store.find(OTHER)
    assert stored is not None
    store.read(stored).close()
    overwrite(path_of(store, b"other"), b"othes")
    store.read(stored).close()  # believed, by identity
    (finding,) = verify(store).findings
    assert finding.problem is Problem.DAMAGED
    assert OTHER in finding.what
    assert (finding.expected, finding.found) == (str(Digest.of(b"other")), str(Digest.of(b"othes")))
    assert finding.mend == "drydock verify --repair"
    assert path_of(store, b"other").exists(), "verifying changes nothing"


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda path: (path.chmod(0o644), path.write_bytes(b"ot")), Problem.DAMAGED),
        (lambda path: path.unlink(), Problem.MISSING),
        (lambda path: (path.unlink(), path.mkdir()), Problem.MISSING),
    ],
    ids=["cut", "gone", "a folder"],
)
def test_a_blob_that_is_cut_or_gone_is_found(store: Store, harm: Callable[[Path], object], problem: Problem) -> None:
    """F23, F24."""
    harm(path_of(store, b"other"))
    assert problem in {one for one, _ in found(store)}


def test_a_row_that_disagrees_with_its_blob_is_found(store: Store) -> None:
    """The index says another size than the file has."""
    store.index.change([("UPDATE stored_response SET size = ? WHERE url = ?", [(7, OTHER)])])
    assert found(store) == [(Problem.INDEX, OTHER)]


def test_what_was_expected_otherwise_is_found(store: Store) -> None:
    store.index.expect(OTHER, Expected(Digest.of(b"what the runtime insists on")))
    assert found(store) == [(Problem.UNEXPECTED, OTHER)]


def test_the_lock_is_compared_with_what_is_there(store: Store) -> None:
    """An asset that is missing, one with other bytes, and a page without its snapshot."""
    lock = Lock.of(
        [asset(BUNDLE, BODY), asset(OTHER, b"another"), asset("https://assets.example/absent", b"x")], [page(b"gone")]
    )
    assert found(store, lock) == [
        (Problem.MISSING, "https://assets.example/absent"),
        (Problem.MISSING, PAGE),
        (Problem.UNEXPECTED, OTHER),
    ]
    put(store, PAGE, b"gone")
    assert (Problem.MISSING, PAGE) not in found(store, lock)


def test_damage_is_said_once_although_the_lock_names_it_too(store: Store) -> None:
    path_of(store, b"other").unlink()
    assert found(store, Lock.of([asset(OTHER, b"other")])) == [(Problem.MISSING, OTHER)]


def test_the_runtime_view_is_compared_with_its_sums_and_with_the_store(store: Store) -> None:
    """A copy in place of the link, a line too many, a line too few, and a file without one."""
    view = store.root / "runtime"
    shown = view / "pyodide_1.capnp.bin"
    shown.unlink()
    shown.write_bytes(b"something else")
    assert found(store) == [(Problem.VIEW, str(shown))]
    shown.unlink()
    assert found(store) == [(Problem.VIEW, str(shown))]
    store.show_all()
    assert found(store) == []
    sums = view / "SHA256SUMS"
    lines = sums.read_text()
    sums.write_text(lines + f"{Digest.of(b'x').hex}  pyodide_2.capnp.bin\n")
    (view / "pyodide_2.capnp.bin").write_bytes(b"x")
    (view / "pyodide_3.capnp.bin").write_bytes(b"x")
    assert found(store) == [
        (Problem.VIEW, str(view / "pyodide_2.capnp.bin")),
        (Problem.LEFTOVER, str(view / "pyodide_3.capnp.bin")),
    ]
    sums.write_text("")
    assert (Problem.VIEW, str(shown)) in found(store)


def test_leftovers_are_listed_and_are_no_fault(store: Store) -> None:
    """Replaced pages, abandoned stages, quarantine and strange files take room and nothing else."""
    put(store, OTHER, b"newer")
    (store.root / "quarantine" / "bad").write_bytes(b"x")
    (store.root / "blobs" / "sha256" / "README").write_bytes(b"x")
    misplaced = store.root / "blobs" / "sha256" / "zz" / Digest.of(b"x").hex
    misplaced.parent.mkdir()
    misplaced.write_bytes(b"x")
    living = store.stage()
    with ready("stage = Store.open(root).stage(); print('ready', flush=True); time.sleep(60)", store.root) as process:
        process.kill()
        process.wait()
    report = verify(store)
    living.discard()
    assert report.wrong == ()
    shown = {Path(finding.what).parent.name for finding in report.findings}
    assert shown == {"quarantine", "sha256", "zz", "staging", Digest.of(b"other").hex[:2]}
    assert len(report.findings) == 5


def test_a_damaged_index_is_the_one_finding(store: Store) -> None:
    """Nothing else can be said then; the blobs are kept, and the line says how to begin anew."""
    path = store.index.path
    store.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(8192))
    again = Store.__new__(Store)
    again.root, again.index = store.root, store.index
    (finding,) = verify(again).findings
    assert finding.problem is Problem.INDEX
    assert f"mv {path}" in finding.mend
    path.write_bytes(b"no database at all")
    (finding,) = verify(again).findings
    assert "not a database" in finding.found


def test_a_line_shows_no_secret() -> None:
    """The query of a URL may be a signature."""
    finding = Finding(Problem.MISSING, "https://assets.example/a?signature=hunter2", "bytes", "none", "drydock warm")
    assert "hunter2" not in str(finding) + json.dumps(finding.as_json())


# ---- the command ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """The command in a folder with a store that was fetched from the upstream."""

    run: Run
    place: Path
    internet: Upstream
    outside: tuple[str, ...]

    def verify(self, *arguments: str) -> Done:
        return self.run("verify", *arguments, *self.outside)

    def blob(self, body: bytes) -> Path:
        hexadecimal = Digest.of(body).hex
        return self.place / "store" / "blobs" / "sha256" / hexadecimal[:2] / hexadecimal


@pytest.fixture
def world(command: Run, place: Path, internet: Upstream, authority_file: Path) -> World:
    internet.route("/pyodide_1.capnp.bin", BODY)
    internet.route("/other", b"other")
    outside = (*(f"--resolve={entry}" for entry in internet.resolve), f"--upstream-ca={authority_file}")
    assert command("warm", "--url", BUNDLE, "--url", OTHER, *outside).returncode == 0
    return World(command, place, internet, outside)


def test_the_command_ends_with_0_where_all_is_well(world: World) -> None:
    """And notes what it read, for drydock status."""
    done = world.verify()
    assert (done.returncode, done.stdout) == (0, "")
    assert "2 stored responses, 2 blobs right" in done.stderr
    verified, at = read_verified(world.place / "store")
    assert verified == {Digest.of(BODY).hex, Digest.of(b"other").hex}
    assert at > 0


def test_the_command_prints_a_line_for_each_finding_and_ends_with_1(world: World) -> None:
    overwrite(world.blob(b"other"), b"othes")
    done = world.verify()
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert line.startswith("damaged: ")
    assert OTHER in line
    assert line.endswith("mend: drydock verify --repair")
    document = json.loads(world.verify("--json").stdout)
    assert (document["wrong"], document["findings"][0]["problem"]) == (1, "damaged")


def test_repair_fetches_what_is_damaged_gone_and_missing(world: World) -> None:
    """The damaged bytes go to quarantine, the lock's missing asset comes along, and the view is right again."""
    world.internet.route("/absent", b"absent")
    absent = "https://assets.example/absent"
    write_lock(world.place / "assets.lock", Lock.of([asset(absent, b"absent")]))
    overwrite(world.blob(BODY), BODY[::-1])
    world.blob(b"other").unlink()
    done = world.verify("--repair")
    assert done.returncode == 0, done.stderr
    assert "3 fetched" in done.stderr
    assert world.blob(BODY).read_bytes() == BODY
    assert (world.place / "store" / "runtime" / "pyodide_1.capnp.bin").samefile(world.blob(BODY))
    assert [path.name.partition(".")[0] for path in (world.place / "store" / "quarantine").iterdir()] == [Digest.of(BODY).hex]
    assert world.internet.count("/other") == 2
    assert world.verify().returncode == 0


def test_repair_of_what_is_whole_asks_nobody(world: World) -> None:
    before = world.internet.connections
    assert world.verify("--repair").returncode == 0
    assert world.internet.connections == before


def test_repair_says_what_it_could_not_mend(world: World, open_store: OpenStore) -> None:
    """Other bytes than were stored, an upstream without the file, an index page, and what the policy no longer allows."""
    world.internet.route("/other", b"OTHER")
    world.internet.route("/pyodide_1.capnp.bin", b"", status=404)
    with_more = Store.open(world.place / "store")
    put(with_more, PAGE, b"a page")
    put(with_more, "https://denied.example/x", b"denied")
    with_more.close()
    for body in (BODY, b"other", b"a page", b"denied"):
        overwrite(world.blob(body), b"!")
    done = world.verify("--repair")
    assert done.returncode == 1
    assert "0 fetched (0 bytes), 4 not mended" in done.stderr
    for said in ("sent other bytes", "answered 404", "is an index page", "denied.example/x may not be fetched"):
        assert said in done.stderr
    assert "drydock import FILE" in done.stderr
    assert open_store(world.place / "store").find(OTHER) is None
    # what does not verify is not there any more, so there is nothing wrong left but what is missing by no lock
    document = json.loads(world.verify("--repair", "--json").stdout)
    assert document["wrong"] == 0


def test_repair_brings_what_the_lock_names_in_place_of_what_is_there(world: World) -> None:
    """Right bytes of another release are no right bytes."""
    world.internet.route("/other", b"as locked")
    write_lock(world.place / "assets.lock", Lock.of([asset(OTHER, b"as locked")]))
    assert "unexpected: " in world.verify().stdout
    done = world.verify("--repair", "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["repaired"], document["unmended"]) == (0, [OTHER], [])


def test_a_store_that_cannot_be_written_is_verified_and_not_repaired(world: World) -> None:
    """F32: reading needs no more than reading."""
    overwrite(world.blob(b"other"), b"othes")
    with read_only(world.place / "store"):
        assert "damaged: " in world.verify().stdout
        done = world.verify("--repair")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr


def test_a_snapshot_of_a_followed_lock_is_part_of_the_store(store: Store) -> None:
    """Its content is named by the lock alone: no leftover while it is there, missing when it is not."""
    stage = store.stage()
    stage.write(b"snapshot")
    store.commit(stage, lambda blob: StoredResponse(CacheKey(PAGE, "x"), 200, (), blob, 1.0, 2.0))
    row = (PAGE, "v", 200, "[]", Digest.of(b"snapshot").hex, 8, "assets.lock")
    store.index.change([("INSERT INTO locked_page VALUES (?, ?, ?, ?, ?, ?, ?)", [row])])
    store.index.remove(CacheKey(PAGE, "x"))
    assert found(store) == []


def test_without_a_store_the_command_says_so(command: Run, place: Path) -> None:
    done = command("verify")
    assert done.returncode == 1
    assert "There is no store" in done.stderr


def test_the_index_is_read_beside_a_writer(store: Store) -> None:
    """A proxy that writes at this moment is not waited for, and is not disturbed."""
    writer = sqlite3.connect(store.index.path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    try:
        assert found(store) == []
    finally:
        writer.execute("ROLLBACK")
        writer.close()
