"""A real `drydock proxy` process, as the tests start it, ask it and read its journal."""

import json
import os
import re
import shutil
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.upstream.child import Child

LISTENERS = ("proxy", "tls", "status", "dns")


def drydock() -> str:
    """Return the command under test: the one that is installed beside this Python."""
    beside = Path(sys.executable).with_name("drydock")
    found = str(beside) if beside.exists() else shutil.which("drydock")
    if found is None:
        raise FileNotFoundError("the command drydock is not installed beside this Python")
    return found


def plain_environment(home: Path) -> dict[str, str]:
    """Return an environment in which no setting of the machine counts; whoever measures coverage is told to it, too."""
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **measured}


def machine_environment() -> dict[str, str]:
    """Return the environment of this machine, in which its clients' settings count.

    Without the place where the suite's own Python writes its bytecode: what is installed has been compiled where it lies.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONPYCACHEPREFIX"}


class RunningProxy(Child):
    """`drydock proxy` on free ports; its files lie in `directory`, which may outlive it."""

    def __init__(
        self,
        directory: Path,
        policy: str,
        *,
        mode: str = "online",
        resolve: Sequence[str] = (),
        upstream_ca: Path | None = None,
        dns_answer: str = "",
        environment: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> None:
        number = len(list(directory.glob("proxy-*.log")))
        config = directory / f"drydock-{number}.toml"
        config.write_text(policy)
        self.directory = directory
        self.store = directory / "store"
        command = [*before, drydock(), "proxy", "--config", str(config), "--mode", mode]
        command += ["--store", str(self.store), "--state", str(directory / "state")]
        for listener in ("", "tls-", "status-"):
            command += [f"--{listener}listen", "127.0.0.1:0"]
        if dns_answer:
            command += ["--dns-listen", "127.0.0.1:0", "--dns-answer", dns_answer]
        for entry in resolve:
            command += ["--resolve", entry]
        if upstream_ca:
            command += ["--upstream-ca", str(upstream_ca)]
        env = plain_environment(directory) if environment is None else dict(environment)
        super().__init__([*command, *options], directory / f"proxy-{number}.log", self._is_ready, env)

    def _is_ready(self) -> bool:
        return "\n  CA " in self.output()

    def _address(self, listener: str) -> tuple[str, int]:
        match = re.search(rf"^  {listener} +(?:http://)?(\S+):(\d+)$", self.output(), re.MULTILINE)
        assert match, f"no address of {listener} in:\n{self.output()}"
        return match[1], int(match[2])

    @property
    def proxy_address(self) -> tuple[str, int]:
        """Where clients that know proxies connect."""
        return self._address("proxy")

    @property
    def tls_address(self) -> tuple[str, int]:
        """Where clients connect whose names lead to the proxy."""
        return self._address("tls")

    @property
    def dns_address(self) -> tuple[str, int]:
        """Where names are answered."""
        return self._address("dns")

    @property
    def proxy_url(self) -> str:
        """The URL for HTTPS_PROXY."""
        host, port = self.proxy_address
        return f"http://{host}:{port}"

    @property
    def status_url(self) -> str:
        """The URL of the status server, without a slash at its end."""
        host, port = self._address("status")
        return f"http://{host}:{port}"

    @property
    def ca(self) -> Path:
        """The CA's certificate."""
        return self.directory / "state" / "ca.pem"

    def log_lines(self) -> list[dict[str, Any]]:
        """Return the journal's lines so far."""
        whole = self.output().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def wait_for_line(self, wanted: Callable[[dict[str, Any]], bool], seconds: float = 10) -> dict[str, Any]:
        """Return the first line of the journal that is wanted; raise TimeoutError with the journal when it does not come."""
        deadline = time.monotonic() + seconds
        while True:
            for line in self.log_lines():
                if wanted(line):
                    return line
            if time.monotonic() > deadline:
                raise TimeoutError(f"the line did not come within {seconds} s:\n{self.output()}")
            time.sleep(0.02)

    def stats(self) -> dict[str, Any]:
        """Return what the proxy counted."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.status_url}/stats", timeout=10) as answer:
            counted: dict[str, Any] = json.load(answer)
        return counted

    def memory(self) -> int:
        """Return the resident memory in MiB that the process has now."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) // 1024

    def descriptors(self) -> int:
        """Return how many descriptors the process has open now."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def signal(self, number: signal.Signals, seconds: float = 5) -> tuple[int, float]:
        """Send a signal and return the exit status and how many seconds the end took."""
        assert self._process is not None
        started = time.monotonic()
        self._process.send_signal(number)
        return self._process.wait(seconds), time.monotonic() - started
