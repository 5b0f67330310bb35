"""Large archives: memory stays flat, and a kill at any point leaves a store that is whole."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from drydock_cache.store import Store

from cache.tests.archive.conftest import Sides, put, rows, url
from cache.tests.archive.filling import fill

IMPORTER = Path(__file__).with_name("importer.py")
LIMIT_KIB = 150_000_000 // 1024
# How many bytes the large archive holds, and how often an import is killed.
LARGE = int(os.environ.get("DRYDOCK_TEST_LARGE", 1 << 30))
KILLS = int(os.environ.get("DRYDOCK_TEST_KILLS", "100"))


def importer(*arguments: object) -> str:
    done = subprocess.run([sys.executable, IMPORTER, *map(str, arguments)], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.fault("49")
def test_ten_thousand_entries_in_flat_memory(sides: Sides) -> None:
    shutil.rmtree(sides.near)
    fill(sides.near, [random.Random(number).randrange(100, 9_000) for number in range(10_000)], os.urandom(9_000))
    (archive,) = sides.export()
    assert int(importer("measure", archive.path, sides.far)) < LIMIT_KIB
    with closing(Store.open_read_only(sides.near)) as near, closing(Store.open_read_only(sides.far)) as far:
        assert [(one.key, one.blob) for one in near.responses()] == [(one.key, one.blob) for one in far.responses()]


def test_gigabytes_in_flat_memory(sides: Sides) -> None:
    """In one blob and in many: what is declared is neither read nor kept at once."""
    shutil.rmtree(sides.near)
    fill(sides.near, [LARGE // 2, *[LARGE // 16] * 8], bytes(1 << 20))
    (archive,) = sides.export()
    assert archive.path.stat().st_size < LARGE // 50
    assert int(importer("measure", archive.path, sides.far)) < LIMIT_KIB


@pytest.mark.fault("51")
def test_a_kill_at_any_point_leaves_the_store_as_before_or_as_after(sides: Sides) -> None:
    """No wrong byte, nothing lost, nothing left; and the next import succeeds. Each import replaces, adds and finds."""
    for number in range(15):
        put(sides.near, url(100 + number), os.urandom(5_000 + number), 3000.0)
    page = "https://index.example/simple/pkg/"
    put(sides.far, page, b"older", 10.0, ("accept", "accept-encoding"), "accept=a&accept-encoding=gzip")
    put(sides.far, url(99), b"mine", 10.0)
    (archive,) = sides.export()
    before, after = importer("kill", archive.path, sides.far, KILLS, random.randrange(1 << 30)).split()
    assert int(before) + int(after) == KILLS
    assert int(before) > KILLS // 10  # the kills did hit imports that were at work


def test_ctrl_c_leaves_a_store_that_goes_on(sides: Sides, tmp_path: Path) -> None:
    """One line, exit status 130, and the same command succeeds afterwards."""
    shutil.rmtree(sides.near)
    fill(sides.near, [200_000_000], bytes(1 << 20))
    (archive,) = sides.export()
    command = [str(Path(sys.executable).with_name("drydock")), "import", str(archive.path), "--key", str(sides.key.signer)]
    command += ["--store", str(sides.far)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not list(sides.far.glob("staging/*.folder/*")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert output == ""
    assert "interrupted" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert not list((sides.far / "staging").iterdir())
    assert subprocess.run(command, capture_output=True, check=True)
    assert rows(sides.far) == rows(sides.near)


@pytest.mark.parametrize("phase", ["syncing to the disk", "naming 1,000 blobs"])
def test_ctrl_c_after_the_last_byte_was_read_leaves_a_store_that_goes_on(sides: Sides, phase: str) -> None:
    """While what was read is synced, and while it gets its names: the store is as before, or as after."""
    shutil.rmtree(sides.near)
    fill(sides.near, [20_000] * 1_000, os.urandom(20_000))
    (archive,) = sides.export()
    drydock = str(Path(sys.executable).with_name("drydock"))
    command = [drydock, "import", str(archive.path), "--key", str(sides.key.signer), "--store", str(sides.far)]
    put(sides.far, url(5_000), b"mine", 10.0)
    before = rows(sides.far)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert any(phase in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode in (130, 0)
    after = [*before, *rows(sides.near)]
    assert sorted(rows(sides.far)) == sorted(before if process.returncode else after)
    assert not list((sides.far / "staging").iterdir())
    subprocess.run(command, capture_output=True, check=True)
    assert sorted(rows(sides.far)) == sorted(after)
    subprocess.run([drydock, "verify", "--store", str(sides.far)], capture_output=True, check=True)
