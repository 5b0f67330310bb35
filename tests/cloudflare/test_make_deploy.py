"""`make deploy` on the host (docker/tasks/deploy): what it refuses, in which order Workers go, and that no command line has the token.

docker is played by a script that notes what it was called with: what is tried here is the order of calls and the words around them.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.cloudflare.conftest import REPOSITORY

# Each call is one line of the log; a call that has every word of DOCKER_FAILS in its line ends with 1.
DOCKER = """#!/bin/sh
case "$*" in
  "context inspect"*) echo unix:///var/run/docker.sock ;;
esac
printf '%s\\n' "$*" >>"$DOCKER_LOG"
for word in $DOCKER_FAILS; do
  case " $* " in *" $word "*) ;; *) exit 0 ;; esac
done
[ -z "$DOCKER_FAILS" ] || exit 1
cat >/dev/null
"""


class Host:
    """A host with a shell and docker."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self.log.touch()
        program = folder / "docker"
        program.write_text(DOCKER)
        program.chmod(0o755)
        self.env = {"PATH": f"{folder}:{os.environ['PATH']}", "DOCKER_LOG": str(self.log), "DOCKER_FAILS": ""}
        self.env["CLOUDFLARE_API_TOKEN"] = "token-0123456789"

    def deploy(self, worker: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run what make deploy runs, with these variables."""
        done = subprocess.run(
            [str(REPOSITORY / "docker/tasks/deploy"), worker],
            env={**self.env, **env},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=60,
        )
        assert "token-0123456789" not in done.stdout + done.stderr + self.log.read_text()
        return done

    def calls(self, word: str) -> list[str]:
        """Return the calls of docker that have this word in them."""
        return [line for line in self.log.read_text().splitlines() if f" {word} " in f" {line} "]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host, with nothing called yet."""
    return Host(tmp_path)


@pytest.mark.parametrize(
    ("worker", "env", "said"),
    [
        ("nothing", {}, "workers/nothing is no Worker: expected all, or one of discord-bot hello"),
        ("../kit", {}, "is no Worker"),
        ("hello", {"CLOUDFLARE_API_TOKEN": ""}, "CLOUDFLARE_API_TOKEN is not set"),
        ("hello", {"SECRETS": "workers/hello/.dev.vars"}, "values for local development, which are never uploaded"),
        ("hello", {"SECRETS": "/nowhere"}, "/nowhere cannot be read"),
        ("all", {"SECRETS": "README.md"}, "SECRETS holds those of one Worker"),
    ],
)
def test_a_mistake_is_said_before_anything_runs(worker: str, env: dict[str, str], said: str, host: Host) -> None:
    done = host.deploy(worker, **env)
    assert done.returncode != 0
    assert said in done.stderr
    assert host.log.read_text() == ""


def test_all_is_the_bot_and_then_the_api_and_nothing_goes_before_both_are_checked(host: Host) -> None:
    done = host.deploy("all")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in host.log.read_text().splitlines()]
    order = [("check", words[-1]) for words in lines if "docker/tasks/check-worker" in words]
    order += [
        (" ".join(words[words.index("deploy") :]), words[words.index("deploy") - 1]) for words in lines if "deploy" in words
    ]
    workers = ["discord-bot", "platform-api"]
    assert order == [(what, worker) for what in ("check", "deploy --check", "deploy") for worker in workers]
    first_deploy = next(index for index, words in enumerate(lines) if "deploy" in words)
    assert all("docker/tasks/check-worker" not in words for words in lines[first_deploy:])


def test_lint_or_a_test_that_fails_keeps_everything_from_going(host: Host) -> None:
    done = host.deploy("all", DOCKER_FAILS="docker/tasks/check-worker platform-api")
    assert done.returncode != 0
    assert "platform-api failed its own checks, which are above; nothing was uploaded" in done.stderr
    assert host.calls("deploy") == []


def test_a_worker_that_cannot_go_keeps_the_other_one_from_going(host: Host) -> None:
    done = host.deploy("all", DOCKER_FAILS="deploy --check platform-api")
    assert done.returncode != 0
    assert "nothing was uploaded" in done.stderr
    assert len(host.calls("deploy")) == len(host.calls("--check")) == 2


def test_a_failure_in_the_middle_says_what_is_deployed_and_what_is_not(tmp_path: Path, host: Host) -> None:
    """The second upload fails: the first Worker is deployed, the second one is not."""
    program = tmp_path / "docker"
    program.write_text(DOCKER.replace("for word in", 'case "$*" in *"platform-api deploy") exit 1 ;; esac\nfor word in'))
    done = host.deploy("all")
    assert done.returncode != 0
    assert "stopped at platform-api; deployed: discord-bot; not deployed: platform-api" in done.stderr


def test_a_dry_run_needs_no_token_and_uploads_nothing(host: Host) -> None:
    done = host.deploy("all", DRY_RUN="1", CLOUDFLARE_API_TOKEN="")
    assert done.returncode == 0, done.stderr
    assert [line.split()[-2:] for line in host.calls("deploy")] == [["deploy", "--dry-run"]] * 2
    assert len(host.calls("docker/tasks/check-worker")) == 2


def test_secrets_go_through_standard_input(tmp_path: Path, host: Host) -> None:
    """No word of the file is on a command line or among the mounts."""
    file = tmp_path / "bot.secrets"
    file.write_text("API_KEY=password-0123456789\n")
    assert host.deploy("discord-bot", SECRETS=str(file)).returncode == 0
    (call,) = host.calls("deploy")
    assert call.endswith("discord-bot deploy --secrets-stdin")
    assert "--no-TTY" in call
    assert str(file) not in call
    assert "password" not in host.log.read_text()
