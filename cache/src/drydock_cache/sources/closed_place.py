"""A place with no network but its own loopback, where every name is looked up at 127.0.0.1:53 and low ports are free."""

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from drydock_cache.errors import DrydockError

RESOLV_CONF = Path("/etc/resolv.conf")
_RESOLVER = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"
# A host's nsswitch.conf may name modules that answer through sockets of the host's own resolver, whatever the namespace.
_MASKED = {Path("/etc/nsswitch.conf"): "hosts: dns\n", Path("/run/nscd/socket"): ""}
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000  # sys/mount.h
_SIOCSIFFLAGS, _IFF_UP, _IFF_RUNNING = 0x8914, 0x1, 0x40  # linux/sockios.h, linux/if.h
_REMEDY = (
    "Run it as root in a container without a network (docker compose run --rm plan), "
    "or on a machine that allows user namespaces."
)


@contextlib.contextmanager
def closed_place(scratch: Path) -> Iterator[None]:
    """Put this process, for good, where nothing outside can be reached; call it in a process of its own with one thread.

    New user, network and mount namespaces serve where they are allowed. Where they are not, a container with no network
    at all will do: there the container's resolv.conf is changed, and put back at the end, unless it names 127.0.0.1 alone
    already (an image's build has one that nobody may write). `scratch` holds small files.
    Raises DrydockError, saying why, when neither is possible.
    """
    refusal = _unshare()
    if refusal is None:
        try:
            _bring_loopback_up()
            _mask_files(scratch)
        except OSError as error:
            # Ubuntu grants a user namespace to everybody and then, by AppArmor, takes its rights away.
            raise _impossible(f"the namespaces were made, but using them failed: {error}") from None
        yield
        return
    outside = [name for _, name in socket.if_nameindex() if name != "lo"]
    if outside:
        raise _impossible(f"namespaces are not allowed ({refusal}), and there are network interfaces: {', '.join(outside)}")
    if _resolver_is_here():
        yield
        return
    with _changed_resolver(refusal):
        yield


def _resolver_is_here() -> bool:
    try:
        return resolvers_of(RESOLV_CONF.read_text(errors="replace")) == ["127.0.0.1"]
    except OSError:
        return False


def resolvers_of(text: str) -> list[str]:
    """List the addresses that a resolv.conf names, in its order."""
    words = (line.split() for line in text.splitlines())
    return [word[1] for word in words if len(word) > 1 and word[0] == "nameserver"]


def _impossible(why: str) -> DrydockError:
    return DrydockError(f"The runtime cannot be asked in a closed place: {why}.", _REMEDY)


def _unshare() -> OSError | None:
    """Enter new namespaces; return the refusal when that is forbidden."""
    uid, gid = os.geteuid(), os.getegid()
    rest = os.CLONE_NEWNET | os.CLONE_NEWNS
    try:
        os.unshare(os.CLONE_NEWUSER | rest)
    except OSError as refusal:
        # Without user namespaces (user.max_user_namespaces=0) root may still make the other two.
        try:
            os.unshare(rest)
        except OSError:
            return refusal
        return None
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    return None


def _bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP | _IFF_RUNNING))


def _mask_files(scratch: Path) -> None:
    # Private first: what is mounted here must not show on the machine outside.
    _mount("none", "/", _MS_REC | _MS_PRIVATE)
    for number, (path, text) in enumerate({RESOLV_CONF: _RESOLVER, **_MASKED}.items()):
        # A machine without resolv.conf asks 127.0.0.1 anyway (resolv.conf(5)); the others are masked only if there.
        if path.exists():
            mask = scratch / f"mask-{number}"
            mask.write_text(text)
            _mount(str(mask), str(path), _MS_BIND)


def _mount(source: str, target: str, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), b"none", ctypes.c_ulong(flags), None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


@contextlib.contextmanager
def _changed_resolver(refusal: OSError) -> Iterator[None]:
    try:
        before = RESOLV_CONF.read_bytes()
        RESOLV_CONF.write_text(_RESOLVER)
    except OSError as error:
        fault = "its file system is read-only" if error.errno == errno.EROFS else "only root may"
        raise _impossible(
            f"namespaces are not allowed ({refusal}), and {RESOLV_CONF} of this container cannot be changed: {fault}"
        ) from None
    try:
        yield
    finally:
        RESOLV_CONF.write_bytes(before)
