"""Running the command of a rehearsal: with the proxy's environment, to its end, whatever Ctrl-C does to it."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from drydock_cache.errors import ConfigError

_TOOLS = ("wrangler", "workerd")
_VERSION = re.compile(r"\d+\.\d+[\w.-]*|\d{4}-\d{2}-\d{2}")
_SECONDS = 20.0
# wrangler looks for an update, and tells its usage, even when it is asked for its version
_QUIET = {"WRANGLER_HIDE_BANNER": "true", "WRANGLER_SEND_METRICS": "false"}


@contextmanager
def left_to_the_command() -> Iterator[None]:
    """Let Ctrl-C end the command alone: what it asked for until then is still told. For the main thread."""
    # a handler and not SIG_IGN, which the command would inherit
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run a command with further variables and return its exit status, 128 and the number for a signal; raise ConfigError."""
    environment = {**os.environ, **variables}
    try:
        status = subprocess.run(command, env=environment, check=False).returncode
    except OSError as error:
        raise ConfigError(
            f"{command[0]} cannot be run: {error.strerror}.", "Name a command: drydock rehearse -- npm ci"
        ) from None
    return status if status >= 0 else 128 - status


def tool_versions() -> list[tuple[str, str]]:
    """Return the versions of wrangler and workerd: those that the environment names, else those that are on PATH."""
    return [(tool, os.environ.get(f"{tool.upper()}_VERSION") or _asked(tool)) for tool in _TOOLS]


def _asked(tool: str) -> str:
    if (path := shutil.which(tool)) is None:
        return ""
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=_SECONDS, check=False, env=os.environ | _QUIET
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = _VERSION.search(done.stdout)
    return found.group() if found else ""
