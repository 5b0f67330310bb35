"""The front's doors: accepts connections, learns which host each is for, and keeps those whose host is intercepted."""

import contextlib
import functools
import logging
import re
import select
import socket
import ssl
import time
from collections.abc import Callable

from drydock_cache.errors import DrydockError
from drydock_cache.patterns import PatternError, normalise_host
from drydock_cache.policy import HostAction, Policy

from drydock_proxy.front import heads
from drydock_proxy.front.connection import Connection, Port
from drydock_proxy.front.contexts import Contexts
from drydock_proxy.front.greeting import looks_like_tls, server_name
from drydock_proxy.front.heads import MalformedError
from drydock_proxy.front.keeper import Keeper
from drydock_proxy.front.serving import Serving
from drydock_proxy.journal import log_access
from drydock_proxy.meaning import connect_disagreement
from drydock_proxy.record import TUNNEL, Asked
from drydock_proxy.refusing import Refusing
from drydock_proxy.share import MAKE_ROOM, NO_ROOM, Share
from drydock_proxy.tally import Tally

_log = logging.getLogger(__name__)

_HTTPS = 443
_EDGE = select.EPOLLIN | select.EPOLLET  # what is only looked at stays readable; the edge says that more has come
_GREETING_SECONDS = 60.0  # from the connection to the end of the handshake
_OUT_SECONDS = 60.0
_HELD_UP = "it kept the proxy reading what is no request, such as changes of TLS keys without end"
_MOST_PEEKED = 16 << 10
_CONNECT = re.compile(rb"CONNECT ([^\x00-\x20\x7f/@]+):443 HTTP/1\.[01]")
_STANDS = b"HTTP/1.1 200 Connection established\r\n\r\n"
# A fatal TLS alert (RFC 8446 §6): this name leads nowhere.
_UNRECOGNIZED_NAME = b"\x15\x03\x01\x00\x02\x02\x70"
_DISTRUST = ("UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN")

type PassOn = Callable[[socket.socket, Port], None]


class Front:
    """Keeps connections to intercepted hosts, and passes every other on, untouched, as it was accepted."""

    def __init__(
        self,
        policy: Policy,
        contexts: Contexts,
        keeper: Keeper,
        serving: Serving,
        tally: Tally,
        admits: Callable[[str], bool],
        pass_on: PassOn,
        most: int,
    ) -> None:
        self._policy = policy
        self._contexts = contexts
        self._keeper = keeper
        self._serving = serving
        self._tally = tally
        self._admits = admits
        self._pass_on = pass_on
        self._share = Share(most)
        self._refusing = Refusing()
        keeper.closed = self._gone

    def start(self, listeners: dict[Port, socket.socket]) -> None:
        """Begin to accept."""
        for port, listener in listeners.items():
            self._keeper.loop.listen(listener, functools.partial(self._accepted, port))
        self._keeper.loop.start()

    def _accepted(self, port: Port, sock: socket.socket) -> None:
        client = str(sock.getpeername()[0])
        if self._keeper.loop.is_put_out(client) or not self._admits(client) or not self._has_room(client):
            sock.close()
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock, client, port)
        connection.until = time.monotonic() + _GREETING_SECONDS
        step = self._greeted if port is Port.TLS else self._asked
        self._keeper.wait(connection, _EDGE, step, _GREETING_SECONDS)

    def put_out(self, connection: Connection) -> None:
        """End a connection that kept all others waiting, and do without its client for a while; from any thread."""
        self._keeper.loop.put_out(connection.client, _OUT_SECONDS)
        connection.wake()
        self._refusing.say(connection.client, _HELD_UP, "Find out what it runs: no client of the toolchain does so")

    def _has_room(self, client: str) -> bool:
        if self._share.take(client):
            return True
        self._refusing.say(client, NO_ROOM, MAKE_ROOM)
        return False

    def _gone(self, connection: Connection) -> None:
        self._share.give_back(connection.client)

    def _give(self, connection: Connection) -> None:
        """Pass a connection on of which nothing was read."""
        self._keeper.loop.release(connection)
        self._gone(connection)
        self._pass_on(connection.sock, connection.by)

    def _peek(self, connection: Connection) -> bytes:
        """Look at what has come; empty when nothing has, and when the client has gone, which closes the connection."""
        try:
            data = connection.sock.recv(_MOST_PEEKED, socket.MSG_PEEK)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._keeper.close(connection)
        return data

    def _await_rest(self, connection: Connection) -> None:
        """Wait for the rest of what was looked at, unless the client has left: the end of the stream hides behind it."""
        poll = select.poll()
        poll.register(connection.sock, select.POLLRDHUP)
        if poll.poll(0):
            self._keeper.close(connection)

    def _greeted(self, connection: Connection) -> None:
        """Find the host on the TLS port, by SNI."""
        data = self._peek(connection)
        if not data:
            return
        name = server_name(data) if looks_like_tls(data) else ""
        if name is None and len(data) < _MOST_PEEKED:
            self._await_rest(connection)
            return
        if not name or not self._is_intercepted(connection, name):
            self._give(connection)
            return
        self._decrypt(connection)

    def _asked(self, connection: Connection) -> None:
        """Find the host on the proxy port, by CONNECT; everything else that may be asked there is passed on."""
        data = self._peek(connection)
        if not data:
            return
        if data[:8] != b"CONNECT "[: len(data)]:
            self._give(connection)
            return
        found = heads.split(data)
        if found is None and len(data) < _MOST_PEEKED:
            self._await_rest(connection)
            return
        line = _CONNECT.fullmatch(found[0].partition(b"\r\n")[0]) if found else None
        if (
            found is None
            or line is None
            or not _is_plain(found[0], line[1].decode("latin-1"))
            or not self._is_intercepted(connection, line[1].decode("latin-1"))
        ):
            self._give(connection)
            return
        connection.sock.recv(len(data) - len(found[1]))
        try:
            connection.sock.send(_STANDS)
        except OSError:
            self._keeper.close(connection)
            return
        self._keeper.wait(connection, _EDGE, self._greeted_inside, connection.until - time.monotonic())
        self._greeted_inside(connection)

    def _greeted_inside(self, connection: Connection) -> None:
        """Check that the greeting inside of a CONNECT names the same host, or none."""
        data = self._peek(connection)
        if not data:
            return
        if not looks_like_tls(data):
            self._serving.begin(connection)  # where it is said that this port is for TLS alone
            return
        name = server_name(data)
        if name is None:
            if len(data) >= _MOST_PEEKED:
                self._refuse_name(connection, "the TLS greeting does not end")
            else:
                self._await_rest(connection)
            return
        if name and _normalised(name) != connection.host:
            self._refuse_name(connection, f"the client asked to CONNECT to {connection.host}, but names {name} inside")
            return
        self._decrypt(connection)

    def _is_intercepted(self, connection: Connection, name: str) -> bool:
        connection.host = _normalised(name)
        return self._policy.host(connection.host, _HTTPS).action is HostAction.INTERCEPT

    def _refuse_name(self, connection: Connection, reason: str) -> None:
        self._tally.note(Asked(TUNNEL, ":0", connection.client, "", 403, "refused"))
        log_access("refused", client=connection.client, reason=reason)
        with contextlib.suppress(OSError):
            connection.sock.recv(_MOST_PEEKED)
            connection.sock.send(_UNRECOGNIZED_NAME)
        self._keeper.farewell(connection)

    def _decrypt(self, connection: Connection) -> None:
        try:
            context = self._contexts.of(connection.host)
        except DrydockError as error:
            _log.warning("%s", error)
            self._keeper.close(connection)
            return
        connection.sock = context.wrap_socket(connection.sock, server_side=True, do_handshake_on_connect=False)
        connection.tls = True
        self._keeper.wait(connection, select.EPOLLIN, self._shake, connection.until - time.monotonic())
        self._shake(connection)

    def _shake(self, connection: Connection) -> None:
        assert isinstance(connection.sock, ssl.SSLSocket)
        try:
            connection.sock.do_handshake()
        except ssl.SSLWantReadError:
            self._keeper.wait(connection, select.EPOLLIN, self._shake, connection.until - time.monotonic())
        except ssl.SSLWantWriteError:
            self._keeper.wait(connection, select.EPOLLOUT, self._shake, connection.until - time.monotonic())
        except OSError as error:
            log_access("tls", client=connection.client, host=connection.host, outcome="failed", error=_why(error))
            self._keeper.close(connection)
        else:
            self._serving.begin(connection)


def _is_plain(head: bytes, host: str) -> bool:
    """Say whether a CONNECT to a host is well-formed, has no body, and names no other host in its fields."""
    try:
        found = heads.read(b"OPTIONS / HTTP/1.1\r\n" + head.partition(b"\r\n")[2])
    except MalformedError:
        return False
    hosts = [value for name, value in found.fields if name == "host"]
    return found.length == 0 and not connect_disagreement(hosts, host, _HTTPS)


def _normalised(name: str) -> str:
    """Return the one spelling of a host; what is none stays, for the policy to refuse it."""
    try:
        return normalise_host(name)
    except PatternError:
        return name


def _why(error: OSError) -> str:
    """Say why a handshake failed: most often the client does not trust our CA, and says so nowhere else."""
    reason = getattr(error, "reason", None) or error.strerror or str(error)
    if any(word in reason for word in _DISTRUST):
        return f"The client does not trust the proxy's CA: {reason}."
    return f"The client broke the handshake off: {reason}. If it does so each time, it does not trust the proxy's CA."
