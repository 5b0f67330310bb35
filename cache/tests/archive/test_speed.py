"""Large archives: their speed is that of tar and zstd."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from cache.tests.archive.conftest import Sides
from cache.tests.archive.filling import fill


@pytest.mark.parametrize(("kind", "times"), [("many small", 8), ("few large", 3)])
def test_speed_is_near_that_of_tar_and_zstd(sides: Sides, tmp_path: Path, kind: str, times: int) -> None:
    """A few times what `tar | zstd` takes for the same files, although everything is hashed, signed, synced and indexed.

    The best of three rounds each, in turn, so that what else the machine does counts for both.
    """
    shutil.rmtree(sides.near)
    fill(sides.near, [20_000] * 2_000 if kind == "many small" else [50_000_000] * 3, os.urandom(1 << 20))

    def timed(work: Callable[[], object]) -> float:
        begun = time.monotonic()
        work()
        return time.monotonic() - begun

    def shell(line: str) -> None:
        subprocess.run(["sh", "-c", line], check=True, cwd=tmp_path)

    took: dict[str, list[float]] = {"pack": [], "export": [], "unpack": [], "import": []}
    for number in range(3):
        (tmp_path / f"plain-{number}").mkdir()
        took["pack"].append(timed(lambda: shell("tar -cf - near/blobs | zstd -q -f -o plain.zst && sync plain.zst")))
        took["export"].append(timed(partial(sides.export, f"made-{number}")))
        took["unpack"].append(
            timed(partial(shell, f"zstd -dc plain.zst | tar -xf - -C plain-{number} && sync -f plain-{number}"))
        )
        took["import"].append(timed(partial(sides.take, tmp_path / f"made-{number}", root=tmp_path / f"far-{number}")))
    best = {name: min(times) for name, times in took.items()}
    print(
        f"{kind}: export {best['export'] / best['pack']:.2f}, import {best['import'] / best['unpack']:.2f} of tar and zstd: {best}"
    )
    assert best["export"] < times * best["pack"]
    assert best["import"] < times * best["unpack"]
