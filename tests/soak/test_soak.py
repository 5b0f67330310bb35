"""Ten minutes, or for the suite less than one, of random faults with everything else at its usual work."""

import os
import random
from pathlib import Path

from cache.tests.disks import small_disk
from tests.soak.run import soak

SECONDS, SEED = "DRYDOCK_SOAK_SECONDS", "DRYDOCK_SOAK_SEED"


def test_whatever_happens_whole_bodies_are_right_and_nothing_piles_up(tmp_path: Path) -> None:
    """Every body that a client took for whole had the right bytes; memory, descriptors and stages are back; verify is content."""
    seconds = float(os.environ.get(SECONDS) or 20)
    seed = os.environ.get(SEED) or str(random.randrange(1 << 32))
    with small_disk(tmp_path / "disk", "64m") as disk:
        report = soak(tmp_path, disk, seconds, seed)
    print(report)
    assert not report.failures, str(report)
    assert report.seen.right > seconds  # it was no soak of errors alone
