"""make migrate refuses what cannot be meant, before it starts anything."""

import os
import secrets
import subprocess
from pathlib import Path

import pytest

MIGRATE = Path(__file__).parents[1] / "tasks" / "migrate"


def migrate(tmp_path: Path, *workers: str, **env: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run it with a docker that only notes what it is asked for; return how it ended, and the notes."""
    notes = tmp_path / "notes"
    notes.touch()
    program = tmp_path / "docker"
    program.write_text(f'#!/bin/sh\necho "$*" >> {notes}\n')
    program.chmod(0o755)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CLOUDFLARE_")}
    environment = {**clean, "PATH": f"{tmp_path}:{clean['PATH']}", **env}
    done = subprocess.run([MIGRATE, *workers], env=environment, capture_output=True, text=True, check=False, timeout=30)
    return done, [line for line in notes.read_text().splitlines() if line != "compose config"]


@pytest.mark.parametrize("worker", ["nobody", "kit", "../hello", "", "platform-api; true"])
def test_a_name_that_is_no_workers_is_refused(tmp_path: Path, worker: str) -> None:
    done, asked = migrate(tmp_path, "platform-api", worker)
    assert (done.returncode, asked) == (2, [])
    assert f"make migrate: workers/{worker} is no Worker: expected all, or the name of a folder" in done.stderr


def test_remote_without_a_token_is_refused(tmp_path: Path) -> None:
    done, asked = migrate(tmp_path, "platform-api", REMOTE="1", CLOUDFLARE_API_TOKEN="")
    assert (done.returncode, asked) == (2, [])
    assert "CLOUDFLARE_API_TOKEN is not set; export a token that may edit D1, or leave REMOTE out" in done.stderr


@pytest.mark.parametrize("workers", [(), ("all",)])
def test_all_workers_with_migrations_are_meant_where_none_is_named(tmp_path: Path, workers: tuple[str, ...]) -> None:
    done, asked = migrate(tmp_path, *workers)
    assert done.returncode == 0, done.stderr
    assert asked[0] == "compose up --detach --wait proxy"
    assert {"discord-bot migrate", "platform-api migrate"} <= {" ".join(line.split()[-2:]) for line in asked[1:]}
    assert not any(name in line for line in asked for name in ("template", "hello-js", "--remote"))


def test_the_token_is_passed_by_name_alone(tmp_path: Path) -> None:
    token = secrets.token_hex(8)
    done, asked = migrate(tmp_path, "platform-api", REMOTE="1", CLOUDFLARE_API_TOKEN=token)
    assert done.returncode == 0, done.stderr
    assert asked[-1].endswith("platform-api migrate --remote")
    assert "--env CLOUDFLARE_API_TOKEN " in asked[-1]
    assert token not in "".join(asked) + done.stdout + done.stderr
