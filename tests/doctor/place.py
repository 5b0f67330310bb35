"""A network of a process's own, in which it is root: its addresses, its resolver, its disks."""

import os
import subprocess
import tempfile
from pathlib import Path

HOST = "203.0.113.10"  # assets.example, where DNS tells the truth (addresses of RFC 5737 are nobody's)
PORTAL = "203.0.113.66"
PROXY = "203.0.113.30"
DNS = "127.0.0.1"


def enter() -> None:
    """Put this process, which must have one thread, into new user, network and mount namespaces with a loopback."""
    uid, gid = os.geteuid(), os.getegid()
    os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET | os.CLONE_NEWNS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    run("ip", "link", "set", "lo", "up")
    run("mount", "--make-rprivate", "/")
    cover_resolver(DNS)
    cover(Path("/etc/nsswitch.conf"), "hosts: files dns\n")


def cover(path: Path, text: str) -> None:
    """Lay a file with this text over another, for this process and its children."""
    if path.exists():
        with tempfile.NamedTemporaryFile("w", delete=False) as file:
            file.write(text)
        run("mount", "--bind", file.name, str(path))


def cover_resolver(address: str) -> None:
    """Let this process and its children ask one resolver for names."""
    cover(Path("/etc/resolv.conf"), f"nameserver {address}\n")


def address(*addresses: str) -> None:
    """Give this machine addresses."""
    for one in addresses:
        run("ip", "address", "add", f"{one}/32", "dev", "lo")


def run(*command: str) -> None:
    """Run a program; raise with what it said when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
