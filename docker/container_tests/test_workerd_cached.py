"""The wrapper around workerd offers what the store vouches for, and nothing else."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

WRAPPER = Path(__file__).parents[1] / "worker" / "workerd-cached"
# Stands where workerd would: prints what it was given and what lies in the folder of the bundle flag.
PROGRAM = """#!/bin/sh
printf '%s\\n' "$@"
for argument in "$@"; do
  case $argument in --pyodide-bundle-disk-cache-dir=*) (cd "${argument#*=}" && find . ! -name . -exec test -e {} \\; -print | sort) ;; esac
done
"""


class Stage:
    """A view of a store, a program in workerd's place, and a scratch folder."""

    def __init__(self, folder: Path) -> None:
        self.view, self.scratch, self.program = folder / "runtime", folder / "scratch", folder / "workerd"
        self.view.mkdir()
        self.scratch.mkdir()
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)

    def store(self, name: str, content: bytes, believed: bytes | None = None) -> None:
        file = self.view / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        with (self.view / "SHA256SUMS").open("a") as sums:
            sums.write(f"{hashlib.sha256(believed or content).hexdigest()}  {name}\n")

    def run(self, *arguments: str, **environment: str) -> tuple[list[str], str]:
        named = {"DRYDOCK_RUNTIME_VIEW": str(self.view), "DRYDOCK_WORKERD": str(self.program), "TMPDIR": str(self.scratch)}
        done = subprocess.run(
            [str(WRAPPER), *arguments], env=os.environ | named | environment, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines(), done.stderr


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_a_good_bundle_is_offered_before_the_other_arguments(stage: Stage) -> None:
    stage.store("pyodide_1.capnp.bin", b"bundle")
    output, error = stage.run("serve", "--binary", "-")
    assert output[0] == "serve"
    assert output[1].startswith(f"--pyodide-bundle-disk-cache-dir={stage.scratch}/workerd-cached.")
    assert output[2] == output[1].replace("--pyodide-bundle", "--pyodide-package")
    assert output[3:] == ["--binary", "-", "./pyodide_1.capnp.bin"]
    assert error == ""


def test_a_flipped_byte_leaves_a_bundle_out_with_one_line(stage: Stage) -> None:
    stage.store("pyodide_1.capnp.bin", b"bundle")
    stage.store("pyodide_2.capnp.bin", b"bundlf", believed=b"bundle")
    output, error = stage.run("serve")
    assert output[3:] == ["./pyodide_1.capnp.bin"]
    assert error.count("\n") == 1
    assert "SHA256SUMS does not match: pyodide_2.capnp.bin" in error


def test_a_listed_file_that_is_gone_is_left_out(stage: Stage) -> None:
    stage.store("pyodide_1.capnp.bin", b"bundle")
    stage.store("pyodide_2.capnp.bin", b"other")
    (stage.view / "pyodide_2.capnp.bin").unlink()
    output, error = stage.run("serve")
    assert output[3:] == ["./pyodide_1.capnp.bin"]
    assert "pyodide_2.capnp.bin" in error


def test_a_file_that_no_line_vouches_for_is_not_offered(stage: Stage) -> None:
    stage.store("pyodide_1.capnp.bin", b"bundle")
    (stage.view / "pyodide_3.capnp.bin").write_bytes(b"smuggled")
    assert stage.run("serve")[0][3:] == ["./pyodide_1.capnp.bin"]


def test_a_package_lies_where_workerd_writes_it_and_where_it_reads_it(stage: Stage) -> None:
    stage.store("python-package-bucket/20240829.4/ssl-1.0.0.tar.gz", b"package")
    assert {"./ssl-1.0.0.tar.gz", "./python-package-bucket/20240829.4/ssl-1.0.0.tar.gz"} <= set(stage.run("serve")[0])


@pytest.mark.parametrize("name", ["../outside.capnp.bin", "a b.capnp.bin", "$(touch x).capnp.bin"])
def test_a_name_that_leaves_the_view_or_is_odd_is_left_out(stage: Stage, name: str) -> None:
    stage.store("pyodide_1.capnp.bin", b"bundle")
    stage.store(name, b"bundle")
    output, error = stage.run("serve")
    assert output[3:] == ["./pyodide_1.capnp.bin"]
    assert error.count("\n") == 1


@pytest.mark.parametrize("spoilt", [False, True])
def test_with_nothing_good_workerd_runs_without_a_folder(stage: Stage, spoilt: bool) -> None:
    if spoilt:
        stage.store("pyodide_1.capnp.bin", b"x", believed=b"y")
    output, error = stage.run("serve", "-")
    assert output == ["serve", "-"]
    assert "comes through the proxy" in error


def test_without_a_view_it_is_silent(stage: Stage) -> None:
    assert stage.run("serve", "-", DRYDOCK_RUNTIME_VIEW="") == (["serve", "-"], "")


def test_other_commands_are_workerds_own(stage: Stage) -> None:
    stage.store("pyodide_1.capnp.bin", b"bundle")
    assert stage.run("--version") == (["--version"], "")


def test_folders_of_ended_processes_are_cleared_away(stage: Stage) -> None:
    stage.store("pyodide_1.capnp.bin", b"bundle")
    for _ in range(3):
        stage.run("serve")
    assert len(list(stage.scratch.iterdir())) == 1


def test_an_unwritable_scratch_folder_costs_the_store_and_not_the_start(stage: Stage) -> None:
    stage.store("pyodide_1.capnp.bin", b"bundle")
    output, error = stage.run("serve", "-", TMPDIR="/proc")
    assert output == ["serve", "-"]
    assert "cannot write to /proc" in error
