"""What the arguments of a CI container mean, and which Worker they are for."""

from pathlib import Path

import pytest
from ci_command import Task, read_task
from drydock_cache.errors import ConfigError


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The empty folder where Workers are laid out."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def worker(tmp_path: Path) -> Path:
    """A Worker in a checkout."""
    folder = tmp_path / "checkout" / "workers" / "hello"
    folder.mkdir(parents=True)
    (folder / "wrangler.jsonc").touch()
    return folder


@pytest.mark.parametrize("word", ["dev", "sync", "deploy"])
def test_the_worker_is_that_of_the_current_folder(word: str, worker: Path, work: Path) -> None:
    assert read_task([word, "--x"], worker, work) == Task((word, "--x"), work, worker)


@pytest.mark.parametrize("option", [["--worker", "workers/hello"], ["--worker=workers/hello"]])
def test_a_worker_may_be_named_from_anywhere(option: list[str], worker: Path, work: Path) -> None:
    assert read_task([*option, "sync"], worker.parents[1], work) == Task(("sync",), work, worker)


def test_any_other_command_runs_where_it_is_called(worker: Path, work: Path) -> None:
    """A test suite finds its files in the checkout."""
    assert read_task(["pytest", "-k", "x"], worker, work) == Task(("pytest", "-k", "x"), worker, None)


def test_any_other_command_for_a_named_worker_runs_where_it_is_laid_out(worker: Path, work: Path) -> None:
    assert read_task(["--worker", str(worker), "wrangler", "types"], work.parent, work) == Task(
        ("wrangler", "types"), work, worker
    )


def test_what_is_mounted_where_workers_are_laid_out_is_taken_as_it_is(work: Path) -> None:
    (work / "wrangler.toml").touch()
    assert read_task(["dev"], work, work) == Task(("dev",), work, None)


def test_a_folder_that_is_no_worker_is_refused_and_the_option_named(tmp_path: Path, work: Path) -> None:
    with pytest.raises(ConfigError, match=r"`dev` needs a Worker: .* found none\. .*--worker FOLDER"):
        read_task(["dev"], tmp_path, work)


def test_a_named_folder_that_is_no_worker_is_refused(tmp_path: Path, work: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere is not a Worker"):
        read_task(["--worker", "nowhere", "pytest"], tmp_path, work)


def test_a_second_worker_in_the_same_container_is_refused(worker: Path, work: Path) -> None:
    """What the first one left there would be taken for the second one's."""
    other = worker.with_name("other")
    other.mkdir()
    (work / "wrangler.jsonc").symlink_to(other / "wrangler.jsonc")
    with pytest.raises(ConfigError, match=f"holds the Worker {other} already"):
        read_task(["sync"], worker, work)


def test_the_same_worker_again_is_welcome(worker: Path, work: Path) -> None:
    (work / "wrangler.jsonc").symlink_to(worker / "wrangler.jsonc")
    assert read_task(["dev"], worker, work).worker == worker


@pytest.mark.parametrize("arguments", [[], ["--worker"], ["--worker", "x"], ["--worker=", "sync"], ["--wroker", "x", "sync"]])
def test_arguments_without_a_command_are_refused_with_the_usage(arguments: list[str], tmp_path: Path, work: Path) -> None:
    with pytest.raises(ConfigError, match=r"no command to run: .* ci-entrypoint \[--worker FOLDER\] sync"):
        read_task(arguments, tmp_path, work)
