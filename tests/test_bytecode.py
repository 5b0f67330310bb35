"""What tests start runs from bytecode: a process of drydock that compiled its own source would take a quarter longer to start."""

import re
import subprocess
import sys
from pathlib import Path

from tests.integration.running import plain_environment


def test_no_process_compiles_drydock_again(tmp_path: Path) -> None:
    """Not the second one, either, where the first could not write what it compiled."""
    command = [sys.executable, "-v", "-c", "import drydock_proxy.service, drydock_cache.commands.warm"]
    for _ in range(2):
        done = subprocess.run(command, env=plain_environment(tmp_path), capture_output=True, text=True, timeout=60, check=True)
    assert "drydock_proxy" in done.stderr
    assert re.findall(r"code object from '?(.*/drydock_(?:cache|proxy)/.*\.py)\b", done.stderr) == []
