"""Either everything is written or nothing, whatever fails."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from new_worker.copying import File
from new_worker.refusal import RefusedError
from new_worker.writing import STAGE, write

from tests.repository_copy import contents

FILES = [File(PurePosixPath("a/b.txt"), b"b\r\n", 0o644), File(PurePosixPath("run"), b"#!/bin/sh\n", 0o755)]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    for file in ("one.txt", "locked/two.txt"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(f"{file}\n")
    (tmp_path / "one.txt").chmod(0o640)
    yield tmp_path
    (tmp_path / "locked").chmod(0o755)


def test_folder_and_changes_are_written_with_their_permissions(root: Path) -> None:
    write(root, Path("new"), FILES, {Path("one.txt"): "1\r\n", Path("locked/two.txt"): "2\n"})
    assert (root / "new/a/b.txt").read_bytes() == b"b\r\n"
    assert (root / "new/run").stat().st_mode & 0o777 == 0o755
    assert (root / "one.txt").read_bytes() == b"1\r\n"
    assert (root / "one.txt").stat().st_mode & 0o777 == 0o640
    assert (root / "locked/two.txt").read_text() == "2\n"
    assert not (root / STAGE).exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a read-only folder; make test runs this as a user")
def test_what_was_put_in_place_is_taken_back_when_the_last_write_fails(root: Path) -> None:
    """The folder is there and one file is changed when the other turns out to be in a folder that cannot be written to."""
    (root / "locked").chmod(0o555)
    before = contents(root)
    with pytest.raises(PermissionError):
        write(root, Path("new"), FILES, {Path("one.txt"): "1\n", Path("locked/two.txt"): "2\n"})
    assert contents(root) == before


def test_a_file_that_is_missing_stops_everything(root: Path) -> None:
    before = contents(root)
    with pytest.raises(FileNotFoundError):
        write(root, Path("new"), FILES, {Path("one.txt"): "1\n", Path("missing.txt"): "2\n"})
    assert contents(root) == before


def test_a_folder_that_appeared_meanwhile_is_left_alone(root: Path) -> None:
    (root / "new").mkdir()
    before = contents(root)
    with pytest.raises(FileExistsError, match="new"):
        write(root, Path("new"), FILES, {Path("one.txt"): "1\n"})
    assert contents(root) == before


class Interrupted(Sequence[File]):
    """Files of which the second never comes: the user presses Ctrl-C."""

    def __getitem__(self, index: Any) -> Any:
        if index:
            raise KeyboardInterrupt
        return FILES[0]

    def __len__(self) -> int:
        return 2


def test_an_interruption_leaves_nothing(root: Path) -> None:
    before = contents(root)
    with pytest.raises(KeyboardInterrupt):
        write(root, Path("new"), Interrupted(), {Path("one.txt"): "1\n"})
    assert contents(root) == before


def test_a_run_beside_another_one_or_after_one_that_was_killed_is_refused(root: Path) -> None:
    (root / STAGE).mkdir()
    before = contents(root)
    with pytest.raises(RefusedError, match=rf"{STAGE} is there: .* compare one\.txt with the copies in {STAGE}/before"):
        write(root, Path("new"), FILES, {Path("one.txt"): "1\n"})
    assert contents(root) == before
