"""What a run took place on: machine, versions, date, and how busy the machine was before."""

import datetime as dt
import os
import platform
import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

_QUIET = 0.5  # of the load average over a minute
_LOOK_SECONDS = 10.0


def becomes_quiet(seconds: float, say: Callable[[str], None]) -> bool:
    """Wait until little enough else runs here for figures to mean something; False when that did not come about."""
    deadline = time.monotonic() + seconds
    while (load := os.getloadavg()[0]) >= _QUIET:
        if time.monotonic() > deadline:
            return False
        say(f"waiting for a quiet machine: the load average is {load:.2f}, expected less than {_QUIET}")
        time.sleep(_LOOK_SECONDS)
    return True


def _first_line(*command: str) -> str | None:
    """Return the first line that a program prints of itself; wrk and nginx print it as an error. None: it is not here."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=10)
    return done.stdout.strip().partition("\n")[0]


def circumstances() -> dict[str, Any]:
    """Return them as they stand in the results file."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": cpu[1] if cpu else platform.machine(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_gb": round(memory / 1e9, 1),
            "kernel": platform.release(),
        },
        "load_average_before": list(os.getloadavg()),
        "quiet": os.getloadavg()[0] < _QUIET,
        "versions": {
            "drydock-proxy": version("drydock-proxy"),
            "mitmproxy": version("mitmproxy"),
            "python": platform.python_version(),
            "openssl of python": ssl.OPENSSL_VERSION,
            "nginx": _first_line("nginx", "-v"),
            "squid": _first_line("squid", "-v"),
            "wrk": _first_line("wrk", "-v"),
            "curl": _first_line("curl", "--version"),
        },
    }
