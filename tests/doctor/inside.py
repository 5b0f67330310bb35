"""Runs scenarios, each in a fork of a process that has everything imported: a name a line in, what came of it as JSON out.

Only a process with one thread may enter a user namespace, which a test's own process is not.
"""

import json
import os
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.doctor.place import enter
from tests.doctor.scenarios import SCENARIOS, Setting, start
from tests.integration.running import plain_environment
from tests.upstream.pki import Authority


@dataclass(frozen=True)
class Outcome:
    """How doctor ended: status, JSON, standard error, seconds; and what the scenario says afterwards."""

    status: int
    report: str
    said: str
    seconds: float
    afterwards: str = ""


def run_inside(name: str, folder: Path) -> Outcome:
    """Break the network as the scenario says, and run doctor there; for a process that ends afterwards."""
    enter()
    root = Authority.create("Machine root").write(folder / "machine.pem")
    setting = Setting(folder, environment=plain_environment(folder) | {"SSL_CERT_FILE": str(root)})
    began = time.monotonic()
    done = start(SCENARIOS[name], setting)
    return Outcome(done.returncode, done.stdout, done.stderr, time.monotonic() - began, setting.afterwards())


def main() -> None:
    """Serve scenarios until standard input ends."""
    for line in sys.stdin:
        with tempfile.TemporaryDirectory(prefix="drydock-doctor-") as folder:
            answer = Path(folder) / "outcome.json"
            child = os.fork()
            if child == 0:
                try:
                    answer.write_text(json.dumps(asdict(run_inside(line.strip(), Path(folder)))))
                except BaseException:  # noqa: BLE001 - it is said to whoever asked
                    answer.write_text(json.dumps(asdict(Outcome(-1, "", traceback.format_exc(), 0))))
                finally:
                    os._exit(0)
            os.waitpid(child, 0)
            print(answer.read_text(), flush=True)


if __name__ == "__main__":
    main()
