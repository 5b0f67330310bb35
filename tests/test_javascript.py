"""JavaScript of the project, tested by its own runner: a failure there fails this suite."""

import subprocess
from pathlib import Path

WORKER = Path(__file__).resolve().parent.parent / "workers" / "hello-js"


def test_hello_js_passes_its_own_tests() -> None:
    """Node's test runner finds tests in workers/hello-js, and all of them pass."""
    done = subprocess.run(["npm", "test", "--silent"], cwd=WORKER, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fail 0" in done.stdout
    assert "tests 0" not in done.stdout
