"""A real server as a child process in the foreground: ready before use, ended by its pid."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

READY_SECONDS = 20.0
STOP_SECONDS = 10.0
POLL = 0.02


def free_port(address: str = "127.0.0.1") -> int:
    """Return a TCP port that nobody listens on now, for servers that cannot be told port 0."""
    with socket.create_server((address, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def accepts(port: int, address: str = "127.0.0.1") -> bool:
    """Say whether somebody accepts connections on a port."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


class Child:
    """Runs `command` with its output in the file `log`; `ready` says when it can be used."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        ready: Callable[[], bool],
        env: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self._command = list(command)
        self._log = log
        self._ready = ready
        self._env = dict(env) if env is not None else None
        self._stop_signal = stop_signal
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Return the running process's id, which is its group's too."""
        if self._process is None:
            raise RuntimeError(f"{self._command[0]} is not running")
        return self._process.pid

    def output(self) -> str:
        """Return what it has printed so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self) -> None:
        """Start it and wait until it is ready; when it ends early or takes too long, raise RuntimeError with its output."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env, start_new_session=True
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready():
            code = self._process.poll()
            late = time.monotonic() > deadline
            if code is not None or late:
                self.stop()
                why = f"was not ready within {READY_SECONDS} s" if late else f"ended with {code}"
                raise RuntimeError(f"{' '.join(self._command)} {why}:\n{self.output()}")
            time.sleep(POLL)

    def stop(self) -> int | None:
        """Ask it to end, kill what has not ended in time, and return the exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(self._stop_signal)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        _end_group(process.pid)
        return process.returncode

    def kill(self) -> None:
        """End it and what it started with SIGKILL, as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            _end_group(process.pid)
            process.wait()


def _end_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
