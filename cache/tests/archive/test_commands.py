"""The commands export and import: what they print, what they ask for, and what they leave."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from drydock_cache.cli import main
from drydock_cache.digest import Digest
from drydock_cache.lockfile import Lock, LockedAsset, write_lock
from drydock_cache.plan import AssetKind
from drydock_cache.store import Store

from cache.tests.archive.conftest import Sides, files, put, rows, url


@dataclass(frozen=True)
class Done:
    """How a command ended and what it printed."""

    returncode: int
    stdout: str
    stderr: str


type Run = Callable[..., Done]


@pytest.fixture
def drydock(sides: Sides, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in this process, in the folder of the two machines."""
    monkeypatch.chdir(sides.folder)
    for name in list(os.environ):
        if name.startswith("DRYDOCK_"):
            monkeypatch.delenv(name)

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["drydock", *arguments])
        capfd.readouterr()
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
        return Done(status, *capfd.readouterr())

    return run


def export(drydock: Run, *arguments: str) -> Done:
    done = drydock("export", *arguments, "--store", "near")
    assert done.returncode == 0, done.stderr
    return done


def test_export_prints_the_signer_that_import_wants(sides: Sides, drydock: Run) -> None:
    """The public key lies beside the private one as well, which nobody else may read."""
    done = export(drydock, "out.drydock")
    match = re.search(r"signed by (ed25519:[0-9a-f]{64})", done.stdout)
    assert match
    assert (sides.folder / "state" / "export.key").stat().st_mode & 0o777 == 0o600
    assert (sides.folder / "state").stat().st_mode & 0o777 == 0o700
    for key in (match[1], "state/export.pub"):
        taken = drydock("import", "out.drydock", "--store", "far", "--key", key)
        assert taken.returncode == 0, taken.stderr
    assert rows(sides.far) == rows(sides.near)


def test_the_private_key_is_in_no_archive(sides: Sides, drydock: Run) -> None:
    export(drydock, "out.drydock")
    tar = subprocess.run(["zstd", "-dc", "out.drydock"], check=True, capture_output=True).stdout
    assert b"PRIVATE KEY" not in tar
    assert (sides.folder / "state" / "export.key").read_bytes().splitlines()[1] not in tar


def test_import_without_a_key_says_whose_it_is_and_stops(sides: Sides, drydock: Run) -> None:
    export(drydock, "out.drydock")
    done = drydock("import", "out.drydock", "--store", "far")
    assert done.returncode == 1
    assert f"--key {sides.key.signer}" in done.stderr
    assert not sides.far.exists()
    looked = drydock("import", "out.drydock", "--store", "far", "--dry-run")
    assert looked.returncode == 0
    assert "whom nobody named with --key" in looked.stderr
    assert "7 would be new" in looked.stdout
    assert not sides.far.exists()
    assert drydock("import", "out.drydock", "--store", "far", "--any-signer").returncode == 0


def test_a_key_of_ones_own(sides: Sides, drydock: Run) -> None:
    """One made with openssl, as its mode and kind must be."""
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", "own.key"], check=True)
    Path("own.key").chmod(0o600)
    done = export(drydock, "out.drydock", "--key", "own.key")
    assert str(sides.key.signer) not in done.stdout
    Path("own.key").chmod(0o640)
    refused = drydock("export", "other", "--store", "near", "--key", "own.key")
    assert (refused.returncode, "chmod 600 own.key" in refused.stderr) == (1, True)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed448", "-out", "448.key"], check=True, capture_output=True)
    Path("448.key").chmod(0o600)
    assert "another kind" in drydock("export", "other", "--store", "near", "--key", "448.key").stderr
    Path("none.key").touch(0o600)
    assert "no unencrypted PEM" in drydock("export", "other", "--store", "near", "--key", "none.key").stderr
    assert "cannot be read" in drydock("export", "other", "--store", "near", "--key", "missing.key").stderr
    assert not Path("other").exists()


@pytest.mark.parametrize("key", ["ed25519:abc", "nowhere.pem", "near/index.sqlite"])
def test_a_key_that_names_nobody(sides: Sides, drydock: Run, key: str) -> None:
    export(drydock, "out.drydock")
    done = drydock("import", "out.drydock", "--store", "far", "--key", key)
    assert (done.returncode, "does not name a public key" in done.stderr) == (1, True)


def test_parts_inventory_and_difference(sides: Sides, drydock: Run) -> None:
    """The way that a team goes each month: everything once, then what is new."""
    export(drydock, "all", "--split", "1M")
    assert sorted(path.name for path in sides.folder.glob("all.*")) == ["all.001", "all.002", "all.003"]
    key = str(sides.key.signer)
    assert drydock("import", "all.003", "all.001", "all.002", "--store", "far", "--key", key).returncode == 0
    assert drydock("export", "far.inventory", "--inventory", "--store", "far").returncode == 0
    assert "is there already" in drydock("export", "far.inventory", "--inventory", "--store", "far").stderr
    put(sides.near, url(30), b"new", 7000.0)
    done = export(drydock, "difference", "--since", "far.inventory")
    assert "1 blobs, 7 left out that the far side has" in done.stdout
    assert drydock("import", "difference", "--store", "far", "--key", key).returncode == 0
    assert rows(sides.far) == rows(sides.near)
    assert "cannot be read" in drydock("export", "x", "--since", "nothing", "--store", "near").stderr
    (sides.folder / "junk").write_bytes(b"junk\n")
    assert drydock("export", "x", "--since", "junk", "--store", "near").returncode == 1


@pytest.mark.parametrize("size", ["0", "-1", "two", "1K", "2X"])
def test_a_split_that_makes_no_parts(sides: Sides, drydock: Run, size: str) -> None:
    done = drydock("export", "out", "--store", "near", f"--split={size}")
    assert done.returncode == 1
    assert "--split" in done.stderr


def test_oci(sides: Sides, drydock: Run) -> None:
    done = export(drydock, "layout", "--format", "oci")
    assert "layout" in done.stdout
    assert drydock("import", "layout", "--store", "far", "--key", str(sides.key.signer)).returncode == 0
    assert rows(sides.far) == rows(sides.near)


def locked(sides: Sides, extra: str = "") -> None:
    """Lock what the near store has, and with `extra` a URL that it lacks."""
    with closing(Store.open_read_only(sides.near)) as store:
        wanted = [
            LockedAsset(one.key.url, one.blob.digest, one.blob.size, AssetKind.WHEEL, ("hello",), "a test")
            for one in store.responses()
            if not one.vary
        ]
    if extra:
        wanted.append(LockedAsset(extra, Digest.of(b"?"), 1, AssetKind.WHEEL, ("hello",), "a test"))
    write_lock(sides.folder / "assets.lock", Lock.of(wanted))


def test_locks_are_carried_and_written_over_no_other(sides: Sides, drydock: Run) -> None:
    locked(sides)
    export(drydock, "out.drydock")
    target = sides.folder / "locks"
    command = ("import", "out.drydock", "--store", "far", "--key", str(sides.key.signer))
    assert "--locks DIR writes them" in drydock(*command).stderr
    assert "is no folder" in drydock(*command, "--locks", "locks").stderr
    target.mkdir()
    for _ in range(2):
        assert drydock(*command, "--locks", "locks").returncode == 0
        assert (target / "assets.lock").read_bytes() == (sides.folder / "assets.lock").read_bytes()
    (target / "assets.lock").write_text("# mine\n")
    done = drydock(*command, "--locks", "locks")
    assert (done.returncode, "is another lock" in done.stderr) == (1, True)
    assert (target / "assets.lock").read_text() == "# mine\n"


def test_an_export_that_lacks_what_the_lock_names_is_refused(sides: Sides, drydock: Run) -> None:
    """It would be missed where nothing can be fetched."""
    locked(sides, extra=url(77))
    done = drydock("export", "out.drydock", "--store", "near")
    assert done.returncode == 1
    assert f"lacks 1 of 6 things that the lock names, {url(77)} first" in done.stderr
    assert not (sides.folder / "out.drydock").exists()
    assert export(drydock, "out.drydock", "--incomplete").returncode == 0


def test_a_lock_with_a_name_that_no_archive_takes(sides: Sides, drydock: Run) -> None:
    locked(sides)
    (sides.folder / "assets.lock").rename(sides.folder / "a b.lock")
    done = drydock("export", "out", "--store", "near", "--lock", "a b.lock")
    assert "cannot be exported under that name" in done.stderr
    assert not list(sides.folder.glob("*out*"))


def test_a_conflict_is_said_and_decided_by_people(sides: Sides, drydock: Run) -> None:
    put(sides.near, url(40), b"theirs", 7000.0)
    put(sides.far, url(40), b"mine", 10.0)
    export(drydock, "out.drydock")
    command = ("import", "out.drydock", "--store", "far", "--key", str(sides.key.signer))
    before = files(sides.far)
    done = drydock(*command)
    assert (done.returncode, "--on-conflict keep" in done.stderr) == (1, True)
    assert files(sides.far) == before
    assert f"conflict: {url(40)}" in drydock(*command, "--dry-run").stderr
    assert "1 kept as they were" in drydock(*command, "--on-conflict", "keep").stdout


def test_there_must_be_a_store_to_export(sides: Sides, drydock: Run) -> None:
    done = drydock("export", "out", "--store", "nothing")
    assert (done.returncode, "There is no store" in done.stderr) == (1, True)


def test_a_place_that_cannot_be_written(sides: Sides, drydock: Run) -> None:
    done = drydock("export", "no/such/folder/out", "--store", "near")
    assert (done.returncode, "cannot be written" in done.stderr) == (1, True)
    assert drydock("export", "no/such/folder/out", "--format", "oci", "--store", "near").returncode in (0, 1)


def test_a_bar_is_drawn_on_a_terminal(sides: Sides) -> None:
    """Of both commands, on standard error, while the result stays clean on standard output."""
    drydock = str(Path(sys.executable).with_name("drydock"))
    for command in (
        [drydock, "export", "out", "--store", "near"],
        [drydock, "import", "out", "--store", "far", "--key", str(sides.key.signer)],
    ):
        ours, theirs = pty.openpty()
        done = subprocess.run(command, cwd=sides.folder, stdout=subprocess.PIPE, stderr=theirs, check=True)
        os.close(theirs)
        shown = os.read(ours, 1 << 20).decode()
        os.close(ours)
        assert f"{command[1]}ing" in shown
        assert "syncing to the disk" in shown
        assert ("naming" in shown) == (command[1] == "import")
        assert "\x1b[" in shown
        assert b"\x1b" not in done.stdout
