"""What the profile corporate-auth runs, without its container: px, on a port of its own, logging in at a company's proxy."""

import os
import sys
from pathlib import Path

from tests.upstream.child import Child, accepts, free_port

_START = Path(__file__).parents[2] / "docker/auth/auth_start.py"


class CorporateAuth(Child):
    """Logs in at `proxy` (a URL) with what the file `credentials` says; `directory` must exist and holds its log."""

    def __init__(self, directory: Path, proxy: str, credentials: Path, **settings: str) -> None:
        self.port = free_port()
        self.resolve = f"corporate-auth=127.0.0.1:{self.port}"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "TMPDIR": str(directory),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "HTTPS_PROXY": proxy,
            "DRYDOCK_PROXY_CREDENTIALS": str(credentials),
            **settings,
        }
        command = [sys.executable, str(_START), f"127.0.0.1:{self.port}"]
        super().__init__(command, directory / "corporate-auth.log", lambda: accepts(self.port), environment)

    def shown(self) -> bytes:
        """Return what every user of the machine, or Docker, could read of its process: arguments and first environment."""
        process = Path(f"/proc/{self.pid}")
        return (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
