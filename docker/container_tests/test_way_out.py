"""Before compose is asked: files that settings name and nobody can use are said with what mends them; a folder of CAs is made one file."""

import os
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
CA, LOGIN, PAC = "DRYDOCK_CORPORATE_CA", "DRYDOCK_PROXY_CREDENTIALS", "DRYDOCK_PAC_FILE"


def run(script: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a shell's script in the repository; no engine is there."""
    env = os.environ | {"DOCKER_HOST": "unix:///nowhere.sock", CA: "", LOGIN: "", PAC: ""} | settings
    command = ["sh", "-euc", script]
    return subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False, timeout=60)


def nothing(path: Path) -> None:
    """Leave it away."""


def folder(path: Path) -> None:
    path.mkdir()


def closed(path: Path) -> None:
    path.write_text("worker:open-sesame\n")
    path.chmod(0o600)


def empty(path: Path) -> None:
    path.touch(0o644)


def words(path: Path) -> None:
    path.write_text("no certificate\n")
    path.chmod(0o644)


@pytest.mark.parametrize(
    ("setting", "made", "expected", "found", "mend"),
    [
        (CA, nothing, "certificates, PEM or DER", "nothing there", f"export {CA}="),
        (CA, folder, "a folder of such files", "a folder without files that end in .pem", f"unset {CA}"),
        (CA, words, "certificates, PEM or DER", "neither PEM nor DER", "openssl pkcs7 -print_certs -in '{path}'"),
        (CA, empty, "certificates, PEM or DER", "empty", f"unset {CA}"),
        (LOGIN, nothing, "user:password", "nothing there", "echo \"USER:$PASSWORD\" > '{path}' && chmod 644 '{path}'"),
        (LOGIN, closed, "user:password", "mode -rw-------", "chmod 700 '{folder}' && chmod 644 '{path}'"),
        (LOGIN, folder, "user:password", "a folder", f"export {LOGIN}="),
        (PAC, nothing, "a PAC script", "nothing there", f"unset {PAC}"),
        (PAC, closed, "a PAC script", "mode -rw-------", "chmod 644 '{path}'"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_before_compose_fails(
    tmp_path: Path, setting: str, made: Callable[[Path], None], expected: str, found: str, mend: str
) -> None:
    """Which setting, which file, what was expected, what was found, and the command that mends it; by `make up`, too."""
    path = tmp_path / "a file"
    made(path)
    done = run("make --silent up", **{setting: str(path)})
    assert done.returncode != 0
    said, to_mend, *_ = done.stderr.splitlines()
    assert said.startswith(f"{setting} names {path}: expected ")
    assert expected in said.partition(", found ")[0]
    assert found in said.partition(", found ")[2]
    assert to_mend.startswith("mend: ")
    assert mend.format(path=path, folder=tmp_path) in to_mend
    assert "open-sesame" not in done.stderr


def test_files_that_can_be_used_are_passed_over(tmp_path: Path, certificates: dict[str, str]) -> None:
    ca, login = tmp_path / "ca.pem", tmp_path / "login"
    ca.write_text(certificates["corporate"])
    login.write_text("worker:open-sesame\n")
    for file in (ca, login):
        file.chmod(0o644)
    done = run('. docker/tasks/way-out; way_out; echo "${DRYDOCK_BUILD_CA:-as it is}"', **{CA: str(ca), LOGIN: str(login)})
    assert (done.stdout, done.stderr) == ("as it is\n", "")


def test_a_folder_of_certificates_is_one_file_for_image_builds(tmp_path: Path, certificates: dict[str, str]) -> None:
    """PEM with words around it and without a last line break, DER, endings in any case; other files are left alone."""
    own, corporate = certificates["own"], certificates["corporate"]
    (tmp_path / "1 own.PEM").write_text(f"Our root\n{own.rstrip()}")
    (tmp_path / "2.cer").write_bytes(ssl.PEM_cert_to_DER_cert(corporate))
    (tmp_path / "README").write_text(own)
    for file in (tmp_path, *tmp_path.iterdir()):
        file.chmod(0o755)
    done = run('. docker/tasks/way-out; way_out; cat "$DRYDOCK_BUILD_CA"', **{CA: str(tmp_path)})
    assert done.stderr == ""
    assert [line for line in done.stdout.splitlines() if line] == (own + corporate).splitlines()


def test_one_file_of_a_folder_that_cannot_be_used_is_named(tmp_path: Path, certificates: dict[str, str]) -> None:
    (tmp_path / "a.pem").write_text(certificates["own"])
    (tmp_path / "b.crt").write_text("no certificate\n")
    for file in (tmp_path, *tmp_path.iterdir()):
        file.chmod(0o755)
    done = run(". docker/tasks/way-out; way_out", **{CA: str(tmp_path)})
    assert f"found {tmp_path}/b.crt, which is neither PEM nor DER" in done.stderr


@pytest.mark.parametrize(
    "target",
    [
        "up",
        "warm",
        "lock",
        "migrate",
        "register-commands",
        "ca",
        "ca-rotate",
        "export",
        "import",
        "new",
        "rehearse",
        "ci-image",
    ],
)
def test_every_task_that_may_build_an_image_gives_the_build_the_folder_as_one_file(
    tmp_path: Path, certificates: dict[str, str], target: str
) -> None:
    """Where no image is there yet, compose builds it for `run` and `up`, too; a docker that only notes what it is asked for says so."""
    ca, notes, file = tmp_path / "ca", tmp_path / "notes", tmp_path / "team.drydock"
    ca.mkdir()
    (ca / "own.pem").write_text(certificates["own"])
    for path in (ca, *ca.iterdir()):
        path.chmod(0o755)
    program = tmp_path / "docker"
    program.write_text(
        f'#!/bin/sh\necho "$*|${{DRYDOCK_BUILD_CA:-}}" >> {notes}\ncase "$*" in *"image inspect"* | "compose exec"*) exit 1 ;; esac\n'
    )
    program.chmod(0o755)
    if target == "import":
        file.touch(0o644)
    more = {"FILE": str(file), "NAME": "never-made", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    run(f'make --silent {target} FILE="$FILE" NAME="$NAME" || true', **{CA: str(ca)}, **more)
    asked = [line.partition("|")[::2] for line in notes.read_text().splitlines()]
    building = [
        (command, given) for command, given in asked if command.startswith(("compose up", "compose run", "compose build"))
    ]
    built = [number for number, (command, _) in enumerate(building) if command == "compose build"]  # all that there are
    assert building
    assert {given for _, given in building[: built[0] + 1 if built else None]} == {
        str(REPOSITORY / ".scratch/corporate-ca.pem")
    }
