"""`drydock proxy` with a store of its own: an empty one, or one of 100,000 entries."""

from pathlib import Path

from bench.many import fill
from bench.place import HOST, Place, Running
from tests.integration.running import RunningProxy

POLICY = f'pin = ["{HOST}"]\n'
ENTRIES = 100_000


def start(place: Place, name: str) -> Running:
    """Start it with an empty store."""
    return _run(place, name, place.folder("ours"))


def start_with_many(place: Place, name: str) -> Running:
    """Start it with a store that has 100,000 other entries already."""
    own = place.folder("ours-many")
    fill(own / "store", HOST, ENTRIES)
    return _run(place, name, own)


def _run(place: Place, name: str, own: Path) -> Running:
    resolve = [f"{HOST}=127.0.0.1:{place.origin_port}"]
    proxy = place.stack.enter_context(RunningProxy(own, POLICY, resolve=resolve, upstream_ca=place.ca))
    return Running(name, proxy, proxy.tls_address[1], proxy.proxy_address[1], proxy.ca)


def spare(place: Place, running: Running) -> tuple[Path, Path]:
    """Return a folder for a second process of the same kind, and the running one's store, which both may use."""
    assert isinstance(running.child, RunningProxy)
    own = place.directory / f"spare-{running.child.directory.name}"
    own.mkdir(exist_ok=True)
    (own / "drydock.toml").write_text(POLICY)
    return own, running.child.store
