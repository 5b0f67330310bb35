"""Run a CI container: a proxy that may not go upstream, the command behind it, and a certificate of what was needed.

Settings, all from the environment: DRYDOCK_ALLOW_MISSES=1 lets a run succeed that wanted more than the store has;
DRYDOCK_CERTIFICATE, a file for the certificate as JSON; DRYDOCK_MODE=online lets the proxy fetch, as while an image is made;
DRYDOCK_STORE and DRYDOCK_CONFIG as for drydock proxy.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from ci_command import Task, read_task
from ci_proxy import CiProxy, name_options
from ci_report import certify, exit_status, lines
from drydock_cache import terminal
from drydock_cache.client_environment import client_variables
from drydock_cache.errors import DrydockError
from drydock_cache.options import chosen_locks

WORK = Path("/worker")
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


class Command:
    """The command as a child process: signals that come to us go to it, and nothing that it leaves behind stays a zombie."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._starting = False
        self._held: list[int] = []
        # At a terminal the command stays in the foreground group, which gets the terminal's signals anyway.
        self._own_group = not sys.stdin.isatty()
        for number in PASSED_ON:
            signal.signal(number, self._pass_on)
        # A byte for each signal: one that comes just before we wait for something must end the waiting, too.
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self._signals, end = os.pipe()
        os.set_blocking(end, False)
        signal.set_wakeup_fd(end, warn_on_full_buffer=False)

    def run(self, words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> int:
        """Run it to its end and return its exit status, as a shell would say it."""
        self._starting = True  # the command may already run, and be waited for, while nobody knows its id yet
        self._child = subprocess.Popen(words, cwd=folder, env=environment, process_group=0 if self._own_group else None)
        for number in self._held:
            self._pass_on(number, None)
        # As process 1 of a container, we are the parent of whatever lost its own.
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                os.read(self._signals, 1 << 10)
            elif pid == self._child.pid:
                self._child.returncode = code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if self._child is None:
            if not self._starting:
                sys.exit(128 + number)
            self._held.append(number)
            return
        if self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                if self._own_group:
                    os.killpg(self._child.pid, number)
                else:
                    os.kill(self._child.pid, number)


def environment_for(task: Task, proxy: str, ca: Path, folder: Path, outside: Mapping[str, str]) -> dict[str, str]:
    """Return what the command finds in its environment: the way to the proxy, and what worker-entrypoint is told."""
    own = {"DRYDOCK_CA": str(ca), "DRYDOCK_RUN": str(folder / "run"), "DRYDOCK_CI": "1"}
    if task.worker is not None:
        own["DRYDOCK_WORKER_SOURCE"] = str(task.worker)
    return {**outside, **client_variables(proxy, ca, folder / "ca-bundle.pem"), **own}


def run(arguments: Sequence[str], outside: Mapping[str, str]) -> int:
    """Do the whole thing; raise DrydockError when it cannot be done."""
    command = Command()
    task = read_task(arguments, Path.cwd(), WORK)
    locks = chosen_locks(Path(outside.get("DRYDOCK_CONFIG", "drydock.toml")), None)
    # Inside another run, names lead to that run's proxy.
    options = ("--tls-listen", "127.0.0.1:0") if "DRYDOCK_CI" in outside else name_options()
    with tempfile.TemporaryDirectory(prefix="drydock-ci-") as scratch:
        folder = Path(scratch)
        proxy = CiProxy(folder, outside.get("DRYDOCK_MODE", "offline"), options)
        try:
            url = proxy.wait_ready()
            environment = environment_for(task, url, proxy.ca, folder, outside)
            status = command.run(["worker-entrypoint", *task.command], task.folder, environment)
            certificate = certify(proxy.record(), locks, task.command, status)
        finally:
            proxy.stop()
    if "DRYDOCK_CERTIFICATE" in outside:
        certificate.write(Path(outside["DRYDOCK_CERTIFICATE"]))
    for line in lines(certificate):
        terminal.say(line)
    return exit_status(certificate, misses_allowed=outside.get("DRYDOCK_ALLOW_MISSES", "") not in ("", "0"))


def main() -> None:
    """Run it and end with the command's status, or say in one sentence why not."""
    try:
        status = run(sys.argv[1:], os.environ)
    except DrydockError as error:
        terminal.fail(error)
        status = 1
    sys.exit(status)
