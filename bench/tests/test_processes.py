"""What processes cost: CPU time and memory of a server and of everything that it started, and of nobody else."""

import sys
from pathlib import Path

from bench.processes import cpu_seconds, members, memory
from tests.upstream.child import Child

# A server whose child works for 0.35 s of CPU time and holds 64 MB, then says so.
_WORK = """
import subprocess, sys, time
child = '''
import time
held = bytearray(64_000_000)
while time.process_time() < 0.35: pass
print("done", flush=True)
time.sleep(60)
'''
subprocess.run([sys.executable, "-c", child])
"""


def test_a_server_answers_for_what_it_started(tmp_path: Path) -> None:
    """CPU time and memory of a child process count, beside the server's own."""
    log = tmp_path / "log"
    with Child([sys.executable, "-c", _WORK], log, lambda: "done" in log.read_text()) as server:
        found = members(server.pid)
        assert len(found) == 2
        assert 0.3 <= cpu_seconds(server.pid) < 3
        assert 64 < memory(found) < 150
