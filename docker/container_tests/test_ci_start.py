"""What becomes of signals, of exit statuses and of lost children in a CI container, tried with real processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ci_command import Task
from ci_start import environment_for

DOCKER = Path(__file__).parents[1]
# Stands for the entrypoint: runs a shell script as the command, and ends with its status.
PARENT = """
import os, sys
from pathlib import Path
from ci_start import Command
sys.exit(Command().run(["sh", "-c", sys.argv[1]], Path.cwd(), os.environ))
"""


def start(script: str) -> subprocess.Popen[str]:
    """Start the command of a CI container; `script` prints a line when it is ready."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(DOCKER / "ci"), str(DOCKER / "worker"), os.environ.get("PYTHONPATH", "")]),
    }
    return subprocess.Popen(
        [sys.executable, "-c", PARENT, script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=environment
    )


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_the_commands_status_is_passed_on(script: str, status: int) -> None:
    with start(script) as parent:
        assert parent.wait(20) == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_reaches_the_command_and_its_own_end_counts(number: signal.Signals) -> None:
    script = f"trap 'exit 9' {number.name.removeprefix('SIG')}; echo ready; while :; do sleep 0.05; done"
    with start(script) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        parent.send_signal(number)
        assert parent.wait(20) == 9


def test_a_signal_while_the_command_is_started_reaches_it() -> None:
    """The command runs before whoever started it knows its id: here it lets the signal come just then."""
    script = "trap 'exit 9' TERM; kill -TERM $PPID; while :; do sleep 0.05; done"
    for _ in range(6):
        with start(script) as parent:
            assert parent.wait(20) == 9


def test_a_signal_reaches_what_the_command_started_as_well() -> None:
    """pywrangler passes none on: its whole process group gets the signal, and no orphan keeps the output open."""
    with start("sh -c 'echo ready; exec sleep 600'") as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        parent.send_signal(signal.SIGTERM)
        assert parent.stdout.read() == ""
        assert parent.wait(20) == 128 + signal.SIGTERM


def test_the_command_is_led_to_the_proxy_and_told_which_worker_it_is_for(tmp_path: Path, certificates: dict[str, str]) -> None:
    """Both spellings, and one bundle of certificates that holds the proxy's."""
    ca = tmp_path / "ca.pem"
    ca.write_text(certificates["own"])
    task = Task(("sync",), tmp_path, tmp_path / "hello")
    found = environment_for(task, "http://127.0.0.1:1234", ca, tmp_path, {"HTTPS_PROXY": "http://outside", "KEPT": "yes"})
    assert {found[name] for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")} == {"http://127.0.0.1:1234"}
    assert certificates["own"].strip().splitlines()[1] in Path(found["SSL_CERT_FILE"]).read_text()
    assert (found["DRYDOCK_CA"], found["DRYDOCK_WORKER_SOURCE"], found["KEPT"]) == (str(ca), str(tmp_path / "hello"), "yes")


def test_a_command_without_a_worker_names_none(tmp_path: Path, certificates: dict[str, str]) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text(certificates["own"])
    assert "DRYDOCK_WORKER_SOURCE" not in environment_for(
        Task(("pytest",), tmp_path, None), "http://127.0.0.1:1", ca, tmp_path, {}
    )
