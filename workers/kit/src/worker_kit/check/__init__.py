"""Find the traps of Python Workers in source: the command `worker-kit check` and a flake8 plugin."""

from worker_kit.check.cli import main
from worker_kit.check.engine import check_source
from worker_kit.check.plugin import Plugin

__all__ = ["Plugin", "check_source", "main"]
