"""Write a new folder and change files, so that either all of it happens or nothing."""

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from new_worker.copying import File
from new_worker.refusal import RefusedError

STAGE = ".new-worker"
"""A folder in the repository, on the same file system as what is changed: everything in it can be put in place by a rename."""


class HalfDoneError(Exception):
    """A failure that could not be undone; the text says what to put back."""


def write(root: Path, folder: Path, files: Sequence[File], changes: Mapping[Path, str]) -> None:
    """Make `folder` of `files`, and give each file of `changes` its new text; after a failure everything is as it was.

    Paths are relative to `root`. A change keeps its file's permissions. OSError says what could not be written.
    """
    stage = root / STAGE
    try:
        stage.mkdir()
    except FileExistsError:
        raise RefusedError(
            f"{STAGE} is there: another make new is running, or one was cut short; in that case compare "
            f"{', '.join(map(str, changes))} with the copies in {STAGE}/before, then remove {STAGE} and try again"
        ) from None
    try:
        moves = [(_stage_folder(stage / "folder", files), folder)]
        moves += [(_stage_change(stage, root, file, text), file) for file, text in changes.items()]
        _put_in_place(root, stage / "before", moves)
    except HalfDoneError:
        raise  # with the stage kept: the copies in it are needed
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    # What cannot be removed the next run finds, and says so.
    shutil.rmtree(stage, ignore_errors=True)


def _stage_folder(place: Path, files: Sequence[File]) -> Path:
    for file in files:
        path = place / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        path.chmod(file.mode)
    return place


def _stage_change(stage: Path, root: Path, file: Path, text: str) -> Path:
    for place in (stage / "after" / file, stage / "before" / file):
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / file, place)
    # As bytes: line ends stay what they are.
    (stage / "after" / file).write_bytes(text.encode())
    return stage / "after" / file


def _put_in_place(root: Path, before: Path, moves: Sequence[tuple[Path, Path]]) -> None:
    try:
        for staged, place in moves:
            if staged.is_dir() and (root / place).exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(place))
            staged.replace(root / place)
    except BaseException as error:
        try:
            # What still lies in the stage was never put in place.
            for place in (place for staged, place in reversed(moves) if not staged.exists()):
                _take_back(root / place, before / place)
        except OSError as worse:
            raise HalfDoneError(
                f"{error}, and then {worse}: the copies of {', '.join(str(place) for _, place in moves[1:])} in "
                f"{STAGE}/before are as they were; put them back, and remove {moves[0][1]} and {STAGE}"
            ) from error
        raise


def _take_back(place: Path, before: Path) -> None:
    if before.exists():
        before.replace(place)
    else:
        shutil.rmtree(place)
