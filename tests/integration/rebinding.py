"""Names that lead outside when first looked up and inside afterwards, against a real proxy in a network of its own.

`python -m tests.integration.rebinding FOLDER` prints what clients got and how many packets went inside. Only a process with one
thread may enter a user namespace, which a test's own process is not.
"""

import json
import socket
import ssl
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.doctor.place import address, enter
from tests.doctor.servers import Talk, dns, head_of, listen
from tests.integration.running import RunningProxy
from tests.integration.ways import Way, ask, header
from tests.upstream.pki import Authority, server_context

OUTSIDE = "203.0.113.10"  # RFC 5737: nobody's
INSIDE = ("169.254.169.254", "10.213.7.9", "127.0.0.9")
POLICY = 'pin = ["assets.example"]\nrevalidate = ["index.example"]\ntunnel = ["tunnel.example"]\n'
NAMES = ("assets.example", "index.example", "tunnel.example")
BODY = b"from outside"
KEPT = "/kept"  # where what lies there may be stored
_IP, _LOOPBACK_FRAME = 0x0800, "lo"


class Rebinding(Mapping[str, str]):
    """The answers of a resolver that says OUTSIDE first, and then each address inside in turn, with OUTSIDE between them."""

    def __init__(self) -> None:
        self._asked = 0

    def __getitem__(self, name: str) -> str:
        if name not in NAMES:
            raise KeyError(name)
        turn, self._asked = self._asked // 2, self._asked + 1  # an address of either family is asked for each time
        return INSIDE[turn // 2 % len(INSIDE)] if turn % 2 else OUTSIDE

    def __len__(self) -> int:
        return len(NAMES)

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)


class Inward:
    """Counts the packets that go to the addresses inside, and the connections that arrive there; those of `control` apart."""

    def __init__(self) -> None:
        self.packets = self.connections = 0
        self._control = 0
        self._control_seen = threading.Event()
        self._targets = {socket.inet_aton(one) for one in INSIDE}
        self._wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_IP))
        self._wire.bind((_LOOPBACK_FRAME, _IP))
        threading.Thread(target=self._watch, daemon=True).start()
        for place in INSIDE:
            for port in (80, 443):
                listen(place, port, self._arrived)

    def _watch(self) -> None:
        while True:
            packet, (_, _, kind, *_) = self._wire.recvfrom(100)
            if packet[16:20] not in self._targets or kind == socket.PACKET_OUTGOING:  # loopback shows each twice
                continue
            begin = (packet[0] & 15) * 4
            if self._control and self._control in (int.from_bytes(packet[begin + at : begin + at + 2]) for at in (0, 2)):
                self._control_seen.set()
            else:
                self.packets += 1

    def _arrived(self, connection: socket.socket) -> None:
        self.connections += connection.getpeername()[1] != self._control

    def control(self) -> bool:
        """Connect inside, as the proxy never should, and tell whether that is seen: all that came before it is counted then."""
        with socket.socket() as connection:
            connection.bind(("", 0))
            self._control = connection.getsockname()[1]
            connection.settimeout(5)
            connection.connect((INSIDE[0], 443))
            return self._control_seen.wait(5)


def upstream(authority: Authority) -> tuple[Talk, ssl.SSLContext]:
    """Return what stands outside: it ends each connection, so that the name is looked up again, and redirects inside."""

    def talk(connection: socket.socket) -> None:
        path = head_of(connection).split()[1]
        if path.startswith("/to/"):
            answer = f"HTTP/1.1 302 Found\r\nLocation: https://{path.removeprefix('/to/')}/\r\nContent-Length: 0\r\n".encode()
        else:
            control = b"max-age=0" if path.endswith(KEPT) else b"no-store"
            answer = b"HTTP/1.1 200 OK\r\nCache-Control: %b\r\nContent-Length: %d\r\n" % (control, len(BODY))
        connection.sendall(answer + b"Connection: close\r\n\r\n" + (b"" if path.startswith("/to/") else BODY))

    return talk, server_context(authority.leaf(*NAMES))


def attacks(proxy: RunningProxy, way: Way, ca: Path) -> dict[str, list[tuple[int, str]]]:
    """Return, for each kind of host, the status and what was said to a dozen requests, each for a path of its own."""
    seen: dict[str, list[tuple[int, str]]] = {}
    for name in NAMES:
        trusted = {"ca": ca} if name == "tunnel.example" else {}
        for number in range(8):
            # --max-time: a refused tunnel is no answer on the TLS port
            answer = ask(proxy, way, f"https://{name}/{way}/{number}", "--max-time", "5", **trusted)
            seen.setdefault(name, []).append((answer.status, answer.body.decode(errors="replace")))
    for spelling in (*INSIDE, "2852039166", "0xa9fea9fe", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "169.254.169.254.",
                     "0251.0376.0251.0376", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "localhost", "assets.example"):  # fmt: skip
        answer = ask(proxy, way, f"https://assets.example/to/{spelling}", "--globoff", "--max-time", "5")
        seen.setdefault("redirect", []).append((answer.status, answer.body.decode(errors="replace")))
    return seen


def kept(proxy: RunningProxy, way: Way) -> dict[str, list[tuple[int, str, str]]]:
    """Return what came, and its Cache-Status, of a file and a page that were stored while their names led outside."""
    seen: dict[str, list[tuple[int, str, str]]] = {}
    for name in ("assets.example", "index.example"):
        url = f"https://{name}/{way}{KEPT}"
        assert any(ask(proxy, way, url, "--max-time", "5").status == 200 for _ in range(8))  # each second look-up leads outside
        for _ in range(6):
            answer = ask(proxy, way, url, "--max-time", "5")
            seen.setdefault(name, []).append((answer.status, answer.body.decode(), header(answer, "Cache-Status")))
    return seen


def main() -> None:
    """Attack the proxy by both ways, and print what was seen."""
    folder = Path(sys.argv[1])
    enter()
    address(OUTSIDE, *INSIDE[:2])
    authority = Authority.create("Outside root")
    ca = authority.write(folder / "outside.pem")
    dns(Rebinding())
    inward = Inward()
    listen(OUTSIDE, 443, *upstream(authority))
    with ExitStack() as stack:
        proxy = stack.enter_context(RunningProxy(folder, POLICY, upstream_ca=ca))
        seen = {way: attacks(proxy, way, ca) for way in Way}
        stored = {way: kept(proxy, way) for way in Way}
        crashed = [line for line in proxy.log_lines() if "trace" in line]
    noticed = inward.control()
    counted = {"packets": inward.packets, "connections": inward.connections}
    print(json.dumps({"seen": seen, "kept": stored, **counted, "crashed": crashed, "control": noticed}))


if __name__ == "__main__":
    main()
