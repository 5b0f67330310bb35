"""Where a run takes place: a folder, the origin that every cache asks, and what it offers."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.content import Body, Content
from bench.nginx import start_nginx
from tests.upstream.child import Child, free_port
from tests.upstream.pki import Authority

HOST = "assets.example"
PACED = "/paced"  # below it, the origin sends the same files at 50 MB/s
_ORIGIN = """
location / {{ limit_except GET {{ deny all; }} }}
location {paced}/ {{ alias {root}/; limit_rate 50m; }}
"""


@dataclass(frozen=True)
class Running:
    """A system that accepts: `tls` is its port for names that lead to it, `connect` the one for CONNECT, if it has one.

    `ca` is the file of the authority that its certificate for the host is signed by.
    """

    name: str
    child: Child
    tls: int
    connect: int | None
    ca: Path


class Place:
    """The folder of a run, with the origin running until `stack` ends."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        self.stack = stack
        self.content = Content(directory / "origin-files")
        self.authority = Authority.create("Bench root")
        self.ca = self.authority.write(directory / "bench-ca.pem")
        self.origin_port = free_port()
        server = _ORIGIN.format(paced=PACED, root=self.content.root)
        own = self.folder("origin")
        child = start_nginx(own, self.origin_port, self.authority, HOST, root=self.content.root, server=server)
        self._seen = own / "access.log"
        self.origin = Running("direct", stack.enter_context(child), self.origin_port, None, self.ca)

    def folder(self, name: str) -> Path:
        """Make the folder of one system."""
        made = self.directory / name
        made.mkdir()
        return made

    def url(self, body: Body, *, paced: bool = False) -> str:
        """Return the URL that clients ask for a body."""
        return f"https://{HOST}{PACED if paced else ''}{body.path}"

    def asked(self, body: Body) -> int:
        """Return how often the origin was asked for a body, as it counted."""
        return sum(f"GET {body.path} " in line for line in self._seen.read_text().splitlines())
