"""A path that loses large packets and says nothing: a bridge between two machines, one side of which is narrower than both believe."""

import ssl
import subprocess
import sys

from tests.doctor.place import HOST, cover_resolver, run
from tests.doctor.servers import Talk, dns, listen
from tests.upstream.pki import Authority, Leaf, server_context

_LARGEST = 1300  # bytes
_CLIENT = "203.0.113.77"


def lose_large_packets(name: str, authority: Authority, talk: Talk) -> int:
    """Make the networks; return the id of a process in the client's. The server listens in this process's own."""
    client, between = _elsewhere(), _elsewhere()
    run("ip", "link", "add", "s0", "type", "veth", "peer", "name", "b0", "netns", str(between))
    _inside(between, "link", "add", "b1", "type", "veth", "peer", "name", "c0", "netns", str(client))
    run("ip", "address", "add", f"{HOST}/24", "dev", "s0")
    # several segments in one piece, as the kernel likes to pass them on, would hide their size from the bridge
    run("ip", "link", "set", "s0", "up", "gso_max_segs", "1")
    _inside(client, "address", "add", f"{_CLIENT}/24", "dev", "c0")
    _inside(client, "link", "set", "c0", "up", "gso_max_segs", "1")
    _inside(between, "link", "add", "bridge", "type", "bridge")
    for port in ("b0", "b1"):
        _inside(between, "link", "set", port, "master", "bridge", "up")
    _inside(between, "link", "set", "b1", "mtu", str(_LARGEST))
    _inside(between, "link", "set", "bridge", "up")
    dns({name: HOST}, place=HOST)
    cover_resolver(HOST)
    listen(HOST, 443, talk, _long(authority, name))
    return client


def _long(authority: Authority, name: str) -> ssl.SSLContext:
    """Return a server's context with a chain as long as real ones are: it fills some packets."""
    leaf = authority.leaf(name)
    return server_context(Leaf(leaf.certificate + authority.certificate * 6, leaf.key))


def _inside(process: int, *arguments: str) -> None:
    run("nsenter", f"--net=/proc/{process}/ns/net", "ip", *arguments)


def _elsewhere() -> int:
    """Start a process in a network of its own, which ends with this one, and return its id."""
    waiting = "import os, sys; os.unshare(os.CLONE_NEWNET); print(flush=True); sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-IS", "-c", waiting], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    _kept.append(child)
    return child.pid


_kept: list[subprocess.Popen[bytes]] = []
