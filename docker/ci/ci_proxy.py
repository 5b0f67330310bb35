"""Run `drydock proxy` beside a command: on loopback, and with a CA that is made now and gone with it."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from drydock_cache.errors import ConfigError
from drydock_cache.sources.closed_place import RESOLV_CONF, resolvers_of
from drydock_proxy.status_client import StatusClient

READY_SECONDS = 60.0  # it takes about two; a busy runner gets patience
STOP_SECONDS = 10.0
_LOOPBACK = "127.0.0.1"
_ADDRESS = re.compile(r"  (proxy|status) +(?:http://)?(\S+)")


class CiProxy:
    """The proxy as a child process; `folder` is private to this run and holds the CA's key."""

    def __init__(self, folder: Path, mode: str, options: Iterable[str] = ()) -> None:
        self._state = folder / "state"
        self._lines: list[str] = []
        self._settled = threading.Event()
        drydock = str(Path(sys.executable).with_name("drydock"))
        command = [drydock, "proxy", "--mode", mode, "--state", str(self._state)]
        command += ["--listen", f"{_LOOPBACK}:0", "--status-listen", f"{_LOOPBACK}:0", *options]
        # Nobody reads the journal: what was missing is in the record, and what keeps the proxy from serving on standard error.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # signals are for the command
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def ca(self) -> Path:
        """The CA's certificate."""
        return self._state / "ca.pem"

    def wait_ready(self) -> str:
        """Wait until the proxy listens and return its URL; raise ConfigError with what it said when it does not."""
        if not self._settled.wait(READY_SECONDS) or "status" not in self._addresses():
            self.stop()
            said = " ".join(line.strip() for line in self._lines) or "it said nothing"
            raise ConfigError(f"drydock proxy did not start within {READY_SECONDS:.0f} s: {said}")
        return f"http://{self._addresses()['proxy']}"

    def record(self) -> dict[str, Any]:
        """Return what it was asked for; raise ConfigError when it is gone, so that nothing proves what was needed."""
        try:
            return StatusClient(f"http://{self._addresses()['status']}").record()
        except ConfigError as error:
            said = " ".join(line.strip() for line in self._lines[-5:])
            raise ConfigError(
                f"The proxy was gone before the command ended, so nothing proves what was needed: {error.message} It said: {said}",
                "Give the container more memory, if that is what it was short of.",
            ) from None

    def stop(self) -> None:
        """End it, giving it a moment to close the store."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(STOP_SECONDS)

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self._lines.append(line.rstrip("\n"))
                if line.startswith("  CA "):  # the last one of what it says once it is ready
                    self._settled.set()
        self._settled.set()

    def _addresses(self) -> dict[str, str]:
        found = (_ADDRESS.match(line) for line in self._lines)
        return {match[1]: match[2] for match in found if match}


def name_options(resolv_conf: Path = RESOLV_CONF) -> tuple[str, ...]:
    """Return the options with which names lead to the proxy, for programs that know no proxies.

    That needs a container whose only resolver is its own loopback: docker run --dns 127.0.0.1.
    """
    try:
        here = resolvers_of(resolv_conf.read_text(errors="replace")) == [_LOOPBACK]
    except OSError:
        here = False
    if not here:
        return ("--tls-listen", f"{_LOOPBACK}:0")
    return ("--tls-listen", f"{_LOOPBACK}:443", "--dns-listen", f"{_LOOPBACK}:53", "--dns-answer", _LOOPBACK)
