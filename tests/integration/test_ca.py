"""The CA of a running proxy: rotation, clocks that leap, its end, and its keys' whereabouts."""

import base64
import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from drydock_proxy import authority, keyfile, succession

from tests.integration.running import RunningProxy, drydock, plain_environment
from tests.integration.ways import Way, ask, reply, secure
from tests.upstream.pki import Authority
from tests.upstream.scripted import Upstream

HOST = "assets.example"
POLICY = f'pin = ["{HOST}"]\n'
DAY = 24 * 3600.0
FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
needs_faketime = pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed; the test image brings it")

type StartProxy = Callable[..., RunningProxy]


def ca(proxy: RunningProxy, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `drydock ca` beside a proxy."""
    command = [drydock(), "ca", *arguments, "--state", str(proxy.directory / "state")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def chain(connection: ssl.SSLSocket) -> list[x509.Certificate]:
    """Return the certificates that the server sent."""
    sent = connection.get_unverified_chain()  # type: ignore[attr-defined]  # since Python 3.13, which the test image has
    return [x509.load_der_x509_certificate(der) for der in sent]


def shown(proxy: RunningProxy, way: Way, root: Path) -> tuple[x509.Certificate, x509.Certificate]:
    """Return leaf and intermediate of a new connection to a client that trusts `root` alone."""
    with secure(proxy, way, HOST, ca=root) as connection:
        leaf, intermediate, *rest = chain(connection)
    assert not rest
    return leaf, intermediate


def changed(proxy: RunningProxy, way: Way, root: Path, before: x509.Certificate) -> tuple[x509.Certificate, x509.Certificate]:
    """Return what is shown once that has another intermediate: a context is believed for a second."""
    deadline = time.monotonic() + 5
    while (found := shown(proxy, way, root))[1] == before:
        assert time.monotonic() < deadline, "the intermediate is the same for 5 s"
        time.sleep(0.05)
    return found


def get(connection: ssl.SSLSocket, path: str = "/a") -> bytes:
    """Ask for something on an open connection."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    return reply(connection).body


@pytest.fixture
def served(authority: Authority, tmp_path: Path, start_proxy: StartProxy) -> RunningProxy:
    """A proxy whose store has /a already, and whose upstream is gone."""
    with Upstream(authority, HOST) as upstream:
        upstream.route("/a", b"kept")
        settings = {"resolve": upstream.resolve, "upstream_ca": authority.write(tmp_path / "internet.pem")}
        proxy = start_proxy(POLICY, **settings)
        assert ask(proxy, Way.SNI, f"https://{HOST}/a").body == b"kept"
    return proxy


@pytest.mark.fault("37", path="hit")
def test_rotation_needs_nothing_of_clients(served: RunningProxy, tmp_path: Path, way: Way) -> None:
    """F37: clients that fetched the root before verify the next intermediate, and connections that are open go on."""
    root = tmp_path / "fetched-before.pem"
    root.write_bytes(served.ca.read_bytes())
    old = secure(served, way, HOST, ca=root)
    assert get(old) == b"kept"
    leaf, intermediate = shown(served, way, root)
    assert ca(served, "rotate").returncode == 0
    renewed, _ = changed(served, way, root, intermediate)
    assert renewed.public_key() != leaf.public_key()
    assert get(old) == b"kept"
    assert served.ca.read_bytes() == root.read_bytes()
    with secure(served, way, HOST, ca=root) as new:
        assert get(new) == b"kept"
    old.close()


def test_a_session_of_before_the_rotation_is_not_resumed(served: RunningProxy) -> None:
    """The key of the tickets goes with the leaf: who comes back after a rotation is shown the new one."""
    context = ssl.create_default_context(cafile=str(served.ca))

    def connect(session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool | None]:
        with (
            socket.create_connection(served.tls_address, timeout=10) as raw,
            context.wrap_socket(raw, server_hostname=HOST, session=session) as tls,
        ):
            assert get(tls) == b"kept"
            return tls.session, tls.session_reused

    session, _ = connect(None)
    session, reused = connect(session)
    assert reused
    (_, before) = shown(served, Way.SNI, served.ca)
    authority.rotate(served.directory / "state", time.time())
    changed(served, Way.SNI, served.ca, before)
    assert connect(session)[1] is False


def test_a_new_root_is_served_without_a_restart_of_the_proxy(served: RunningProxy) -> None:
    """The command says who must trust it; ca.pem is the new one at once, and the leaves are of it."""
    before, (_, intermediate) = served.ca.read_bytes(), unverified(served)
    done = ca(served, "rotate", "--root")
    assert "docker compose restart" in done.stderr
    assert served.ca.read_bytes() != before
    deadline = time.monotonic() + 5
    while unverified(served)[1] == intermediate:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    shown(served, Way.SNI, served.ca)
    assert ask(served, Way.CONNECT, f"{served.status_url}/ca.pem", "--noproxy", "*").body == served.ca.read_bytes()


def test_the_command_says_how_long_the_ca_signs(served: RunningProxy) -> None:
    """In words and in JSON; rotations that are possible get fewer, and the last one is refused with both ways on."""
    told = json.loads(ca(served, "--json").stdout)
    assert (told["rotations_possible_today"], told["hosts"], told["warning"]) == (succession.AHEAD, [HOST], "")
    for _ in range(succession.AHEAD - 1):
        authority.rotate(served.directory / "state", time.time())
    assert "rotations possible today: 0" in ca(served, "rotate").stdout
    refused = ca(served, "rotate")
    assert refused.returncode == 1
    assert "drydock ca rotate --root" in refused.stderr


# ---- Clocks -------------------------------------------------------------------------------------------------------------------


class Clock:
    """The clock of a process that was started with `environment`, apart from the one of this machine."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "clock"
        assert FAKETIME
        self.environment = plain_environment(directory) | {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            # as of a real clock that is set: what counts seconds since the start goes on
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.leap(0)

    def leap(self, days: float) -> float:
        """Set it to so many days from the real time, and return the moment."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{days * DAY:+.0f}\n")
        new.replace(self._file)
        return time.time() + days * DAY


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
def leaping(clock: Clock, authority: Authority, tmp_path: Path, start_proxy: StartProxy) -> RunningProxy:
    """A proxy with a clock of its own, and with /a in its store."""
    with Upstream(authority, HOST) as upstream:
        upstream.route("/a", b"kept")
        settings = {"resolve": upstream.resolve, "upstream_ca": authority.write(tmp_path / "internet.pem")}
        proxy = start_proxy(POLICY, environment=clock.environment, **settings)
        assert verified(proxy, clock) == "kept 200"
    return proxy


def verified(proxy: RunningProxy, clock: Clock, way: Way = Way.SNI) -> str:
    """Fetch /a with a curl that lives in the same time and verifies; return what it prints."""
    host, port = proxy.tls_address
    to = ["--proxy", proxy.proxy_url] if way is Way.CONNECT else ["--connect-to", f"::{host}:{port}"]
    to += ["--cacert", str(proxy.ca), "--max-time", "20"]
    command = ["curl", "--disable", "-sS", "--write-out", " %{http_code}", *to, f"https://{HOST}/a"]
    done = subprocess.run(command, capture_output=True, text=True, env=clock.environment, timeout=60, check=False)
    return done.stdout if done.returncode == 0 else done.stderr


def unverified(proxy: RunningProxy) -> list[x509.Certificate]:
    """Return leaf and intermediate that the proxy shows, whatever the time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(proxy.tls_address, timeout=10) as raw,
        context.wrap_socket(raw, server_hostname=HOST) as tls,
    ):
        return chain(tls)


@needs_faketime
@pytest.mark.fault("35", path="hit")
def test_no_leap_of_the_clock_leaves_an_expired_leaf_in_use(leaping: RunningProxy, clock: Clock, way: Way) -> None:
    """F35, F36: ±2 d, +192 d, +200 d, two years and back: each time a client of that time verifies, and it is a hit."""
    root = x509.load_pem_x509_certificate(leaping.ca.read_bytes())
    for days in (2, -2, 192, 200, 730, 0):
        now = datetime.fromtimestamp(clock.leap(days), UTC)
        assert verified(leaping, clock, way) == "kept 200", f"{days} days"
        leaf, intermediate = unverified(leaping)
        assert leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc
        assert (leaf.not_valid_after_utc - now).days >= 7
        assert leaf.not_valid_after_utc <= intermediate.not_valid_after_utc <= root.not_valid_after_utc
        assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days <= 90
    assert leaping.stats()["requests"] == {"hit": 6, "miss": 1}


@needs_faketime
@pytest.mark.fault("36")
def test_a_leaf_is_renewed_a_week_before_its_end_and_not_at_each_handshake(leaping: RunningProxy, clock: Clock) -> None:
    """F36: the same leaf for 39 days, another one two days later, when the first had 19 days to live."""
    (first, _) = unverified(leaping)
    clock.leap(39)
    assert unverified(leaping)[0] == first
    clock.leap(41)
    (second, _) = unverified(leaping)
    assert second != first
    assert verified(leaping, clock) == "kept 200"


@needs_faketime
@pytest.mark.fault("36")
def test_the_end_of_the_ca_is_announced_everywhere_and_then_final(leaping: RunningProxy, clock: Clock) -> None:
    """F36: 30 days before, log, readiness, page and metrics say it with the command; after the end the proxy is not ready."""

    def status(path: str) -> str:
        return ask(leaping, Way.CONNECT, f"{leaping.status_url}{path}", "--noproxy", "*").body.decode()

    root = x509.load_pem_x509_certificate(leaping.ca.read_bytes())
    left = (root.not_valid_after_utc.timestamp() - time.time()) / DAY
    clock.leap(left - 31)
    assert json.loads(status("/readyz")) == {"ready": True, "problems": []}
    assert "drydock_ca_healthy 1\n" in status("/metrics")
    clock.leap(left - 29)
    told = json.loads(status("/readyz"))
    assert told["ready"]
    assert re.fullmatch(r"The CA ends on \d{4}-\d\d-\d\d\. .*drydock ca rotate --root.*", told["problems"][0])
    assert "The CA ends on" in status("/")
    assert "drydock_ca_healthy 0\n" in status("/metrics")
    assert f"drydock_ca_end_timestamp_seconds {root.not_valid_after_utc.timestamp():.0f}\n" in status("/metrics")
    leaping.wait_for_line(lambda line: line["level"] == "warning" and "The CA ends on" in line.get("message", ""))
    assert verified(leaping, clock) == "kept 200"
    clock.leap(left + 1)
    told = json.loads(status("/readyz"))
    assert (told["ready"], "can sign nothing now" in told["problems"][0]) == (False, True)


@needs_faketime
@pytest.mark.parametrize(("days", "says"), [(5 * 365 + 1, "ended on"), (-4, "is later than this machine's clock")])
@pytest.mark.fault("36")
def test_a_clock_outside_the_time_of_the_ca_stops_the_start(
    tmp_path: Path, clock: Clock, start_proxy: StartProxy, days: float, says: str
) -> None:
    """F36: one sentence with the command, and what is on disk stays."""
    state = tmp_path / "proxy" / "state"
    authority.Authority.open(state, (HOST,), time.time())
    kept = [path.read_bytes() for path in (state / "authority").iterdir()]
    clock.leap(days)
    with pytest.raises(RuntimeError, match=f"{says}.*\n.*rotate --root"):
        start_proxy(POLICY, environment=clock.environment)
    assert [path.read_bytes() for path in (state / "authority").iterdir()] == kept


# ---- Keys ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.fault("38")
def test_loose_permissions_stop_the_start(tmp_path: Path, start_proxy: StartProxy) -> None:
    """F38: the sentence has both ways to mend it."""
    state = tmp_path / "proxy" / "state"
    authority.Authority.open(state, (HOST,), time.time())
    (state / "authority" / "intermediates.pem").chmod(0o644)
    with pytest.raises(RuntimeError, match=r"has mode 0644, so others may have read them.*\n.*rm -r .*chmod 600"):
        start_proxy(POLICY)


def test_the_ca_of_an_earlier_version_is_replaced_with_a_word(tmp_path: Path, start_proxy: StartProxy) -> None:
    """Its root's key is destroyed, and the log says who must do what."""
    folder = tmp_path / "proxy" / "state" / "authority"
    folder.mkdir(0o700, parents=True)
    (former := folder / "key-and-certificate.pem").write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    proxy = start_proxy(POLICY)
    line = proxy.wait_for_line(lambda line: "The CA was made anew" in line.get("message", ""))
    assert "Workers that run must be restarted" in line["message"]
    assert not former.exists()


@pytest.mark.fault("38")
def test_no_key_leaves_the_folder(served: RunningProxy, tmp_path: Path) -> None:
    """F38: neither journal nor status nor store nor an export archive, unpacked, has a byte run of any key."""
    archive = tmp_path / "out.drydock"
    state = ["--state", str(served.directory / "state")]
    export = [drydock(), "export", str(archive), "--store", str(served.store), *state]
    subprocess.run(export, check=True, capture_output=True, cwd=tmp_path, timeout=60)
    unpacked = subprocess.run(["zstd", "-dc", str(archive)], check=True, capture_output=True).stdout
    pages = "".join(
        ask(served, Way.CONNECT, f"{served.status_url}{path}", "--noproxy", "*").body.decode()
        for path in ("/", "/stats", "/metrics", "/readyz", "/ca.pem")
    )
    elsewhere = [path for path in served.directory.rglob("*") if path.is_file() and "authority" not in path.parts]
    content = b"".join([unpacked, pages.encode(), *(path.read_bytes() for path in elsewhere)])
    assert b"kept" in unpacked
    loaded = authority.read(served.directory / "state")
    assert len(loaded.intermediates) == succession.COUNT
    for one in loaded.intermediates:
        secret = one.key.private_numbers().private_value.to_bytes(32)
        assert secret not in content
        assert secret.hex().encode() not in content
        body = keyfile.key_pem(one.key).splitlines()[1:-1]
        assert not [line for line in body if line in content]
        assert base64.b64encode(secret) not in content
