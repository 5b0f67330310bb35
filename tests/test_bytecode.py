"""What tests start runs from bytecode: a process of drydock that compiled its own source would take a quarter longer to start."""

import re
import subprocess
import sys
from pathlib import Path

import drydock_proxy
import pytest

from tests.integration.running import plain_environment

ROOT = Path(__file__).parents[1]
TREE = Path(drydock_proxy.__file__).is_relative_to(ROOT)


@pytest.mark.skipif(TREE, reason="drydock is used from the tree here, where Python writes its bytecode itself")
def test_no_process_compiles_drydock_again(tmp_path: Path) -> None:
    environment = {**plain_environment(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-v", "-c", "import drydock_proxy.service, drydock_cache.commands.warm"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert "drydock_proxy" in done.stderr
    assert re.findall(r"code object from '?(.*/drydock_(?:cache|proxy)/.*\.py)\b", done.stderr) == []
