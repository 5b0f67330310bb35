"""What the harness's own tests share: the small server that Workers talk to, and the test Worker in real Pyodide."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyodide_harness.pyodide import Pyodide

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from peer import PeerServer  # noqa: E402 - the path above comes first
from peer import peer as serve_peer  # noqa: E402


@pytest.fixture(scope="session")
def peer() -> Iterator[PeerServer]:
    """Serve the small server that Workers talk to."""
    with serve_peer() as server:
        yield server


@pytest.fixture(scope="session")
def peer_url(peer: PeerServer) -> str:
    """Give that server's address."""
    return peer.url


@pytest.fixture(scope="session")
def worker(pyodide: Pyodide, peer_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the test Worker and give its address."""
    log = tmp_path_factory.mktemp("worker") / "log"
    with pyodide.serve(
        HERE / "worker", log=log, variables={"API_KEY": "geheim"}, services={"PEER": peer_url}, ai=peer_url
    ) as served:
        yield served.url
