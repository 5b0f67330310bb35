"""Real tinyproxy in the foreground as a small company's proxy: with Basic or without, and for the ports that it lets through."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.upstream.child import Child, accepts, free_port
from tests.upstream.lead import Lead


@dataclass(frozen=True)
class SmallCompany:
    """login: user and password for Basic, None for none; only: the ports that CONNECT may lead to, any when empty; lead: as Squid's."""

    login: tuple[str, str] | None = None
    only: tuple[int, ...] = ()
    lead: Mapping[str, tuple[str, int]] = field(default_factory=dict)


class Tinyproxy(Child):
    """A proxy on a port of its own; `directory` must exist and holds its files."""

    def __init__(self, directory: Path, company: SmallCompany) -> None:
        self.port = free_port()
        self._company = company
        self._lead = Lead(company.lead)
        lines = [
            f"Port {self.port}",
            "Listen 127.0.0.1",
            "Timeout 60",
            f'LogFile "{directory}/requests.log"',
            "LogLevel Connect",
            f"Upstream http 127.0.0.1:{self._lead.port}",
            *(f"ConnectPort {port}" for port in company.only),
            *([f"BasicAuth {' '.join(company.login)}"] if company.login else []),
        ]
        configuration = directory / "tinyproxy.conf"
        configuration.write_text("\n".join([*lines, ""]))
        self._requests = directory / "requests.log"
        command = ["tinyproxy", "-d", "-c", str(configuration)]
        super().__init__(command, directory / "tinyproxy.log", lambda: accepts(self.port))

    def __enter__(self) -> Self:
        self._lead.__enter__()
        return super().__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        super().__exit__(kind, error, trace)
        self._lead.__exit__(kind, error, trace)

    def url(self, password: str | None = None) -> str:
        """Return the proxy's URL for HTTPS_PROXY, with the login in it; `password` replaces the right one."""
        if self._company.login is None:
            return f"http://127.0.0.1:{self.port}"
        user, right = self._company.login
        return f"http://{user}:{password or right}@127.0.0.1:{self.port}"

    def asked(self, target: str) -> int:
        """Return how often somebody asked for CONNECT to `target`, let through or not."""
        text = self._requests.read_text() if self._requests.exists() else ""
        return text.count(f"CONNECT {target} HTTP/")
