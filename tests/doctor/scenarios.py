"""Every way in which a network is broken here: how it is set up, and what `drydock doctor` must find."""

import base64
import datetime as dt
import json
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.doctor import servers
from tests.doctor.mtu import lose_large_packets
from tests.doctor.place import HOST, PORTAL, PROXY, address, run
from tests.doctor.servers import Company, dns, listen, page, resets, says, swallows
from tests.integration.running import drydock
from tests.upstream.pki import DAY, Authority, server_context

NAME = "assets.example"
PASSWORD = "s3cret-Word%21"  # as it stands in a URL
_PLAIN_PASSWORD = "s3cret-Word!"
_WRONG_PASSWORD = "wr0ng-Word"
# What no report may show: the passwords, as they are written and as they are, and what is sent for them.
SECRETS = (PASSWORD, _PLAIN_PASSWORD, _WRONG_PASSWORD, "s3cret", "Basic d29ya2Vy")
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nDate: %s\r\n\r\nno\n"
PORTAL_PAGE = page("200 OK", "<html><title>Guest network</title><form action=/login></form></html>")


@dataclass
class Setting:
    """How doctor is started: a folder of its own, further arguments, environment, pinned hosts, and a command to run it by."""

    folder: Path
    arguments: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    hosts: list[str] = field(default_factory=lambda: [NAME])
    before: list[str] = field(default_factory=list)
    afterwards: Callable[[], str] = lambda: ""
    """Says what else is to be held against the expectation, after the run."""


@dataclass(frozen=True)
class Scenario:
    """A broken network: how in a few words, its setup, the finding that must come, and what stands in its evidence and mend."""

    how: str
    set_up: Callable[[Setting], None]
    check: str
    evidence: str
    mend: str
    severity: str = "fail"
    afterwards: str = ""
    slow: bool = False


def ca(setting: Setting, name: str) -> Authority:
    """Make an authority whose certificate is given to doctor."""
    made = Authority.create(name)
    setting.arguments += ["--upstream-ca", str(made.write(setting.folder / "company.pem"))]
    return made


def names(**others: str) -> None:
    """Answer for assets.example truly, and for nobody else."""
    dns({NAME: HOST, **others})


def upstream(authority: Authority, talk: servers.Talk | None = None, name: str = NAME) -> None:
    """Let the host answer with TLS."""
    listen(HOST, 443, talk or says(_not_found()), server_context(authority.leaf(name)))


def _not_found() -> bytes:
    from email.utils import formatdate

    return NOT_FOUND % formatdate(usegmt=True).encode()


def fine(setting: Setting) -> None:
    address(HOST)
    names(**{"other.example": PORTAL})
    upstream(ca(setting, "Company root"))


def no_route(_: Setting) -> None:
    names()


def blackhole(_: Setting) -> None:
    address(HOST)
    names()
    run("iptables", "-A", "INPUT", "-d", HOST, "-j", "DROP")


def refused(_: Setting) -> None:
    address(HOST)
    names()


def dns_silent(_: Setting) -> None:
    dns({}, None)


def dns_nothing(_: Setting) -> None:
    dns({})


def dns_failing(_: Setting) -> None:
    dns({}, 2)


def dns_private(_: Setting) -> None:
    dns({NAME: "10.0.0.1"})


def dns_sinkhole(_: Setting) -> None:
    dns({NAME: "0.0.0.0"})


def dns_portal(_: Setting) -> None:
    address(PORTAL)
    dns({}, PORTAL)
    portal = Authority.create("Portal")
    listen(PORTAL, 443, says(PORTAL_PAGE), server_context(portal.leaf("portal.example")))
    listen(PORTAL, 80, says(PORTAL_PAGE))


def unknown_ca(_: Setting) -> None:
    address(HOST)
    names()
    upstream(Authority.create("Contoso TLS"))


def wrong_ca(setting: Setting) -> None:
    address(HOST)
    names()
    ca(setting, "Contoso Old Root")
    upstream(Authority.create("Contoso New Root"))


def incomplete_chain(setting: Setting) -> None:
    """The company's root is given, and its proxy does not show what lies between."""
    address(HOST)
    names()
    upstream(Authority.create("Contoso Issuing", by=ca(setting, "Contoso Root")))


def expired(setting: Setting) -> None:
    address(HOST)
    names()
    now = dt.datetime.now(dt.UTC)
    leaf = ca(setting, "Company root").leaf(NAME, start=now - 90 * DAY, end=now - DAY)
    listen(HOST, 443, says(_not_found()), server_context(leaf))


def one_host(setting: Setting) -> None:
    """Everything is as in `fine`, but for another host."""
    fine(setting)
    address(PORTAL)
    setting.hosts.append("other.example")


def other_name(setting: Setting) -> None:
    address(HOST)
    names()
    upstream(ca(setting, "Company root"), name="filter.example")


def no_certificates(setting: Setting) -> None:
    (setting.folder / "company.pem").write_text("no certificate\n")
    setting.arguments += ["--upstream-ca", str(setting.folder / "company.pem")]
    dns({})


def _company(setting: Setting, password: str = "", **behaviour: object) -> Company:
    address(HOST, PROXY)
    dns({"proxy.example": PROXY})
    cover_hosts()
    upstream(ca(setting, "Company root"))
    user = f"worker:{password}@" if password else ""
    setting.environment["HTTPS_PROXY"] = f"http://{user}proxy.example:3128"
    return Company(PROXY, 3128, **behaviour)  # type: ignore[arg-type]


def cover_hosts() -> None:
    """Let the servers of this process find the host that DNS hides from everybody."""
    from tests.doctor.place import cover

    cover(Path("/etc/hosts"), f"127.0.0.1 localhost\n{HOST} {NAME}\n")


def _basic() -> str:
    return "Basic " + base64.b64encode(f"worker:{_PLAIN_PASSWORD}".encode()).decode()


def proxy_fine(setting: Setting) -> None:
    _company(setting, PASSWORD, offered=('Basic realm="Contoso"',), login=_basic())


def proxy_login(setting: Setting) -> None:
    _company(setting, offered=('Basic realm="Contoso"', "NTLM"), login=_basic())


def proxy_password(setting: Setting) -> None:
    company = _company(setting, _WRONG_PASSWORD, offered=('Basic realm="Contoso"',), login=_basic())
    setting.afterwards = lambda: f"tried {sum('authorization' in head.lower() for head in company.seen)} times"


def proxy_schemes(setting: Setting) -> None:
    _company(setting, PASSWORD, offered=("Negotiate", "NTLM", 'Digest realm="Contoso", qop="auth", nonce="a,b"'), login="none")


def proxy_down(setting: Setting) -> None:
    address(PROXY)
    dns({"proxy.example": PROXY})
    setting.environment["HTTPS_PROXY"] = f"http://worker:{PASSWORD}@proxy.example:3128"


def proxy_unknown(setting: Setting) -> None:
    dns({})
    setting.environment["HTTPS_PROXY"] = f"http://worker:{PASSWORD}@proxy.example:3128"


def pac_away(setting: Setting) -> None:
    dns({})
    setting.environment["DRYDOCK_PAC"] = "http://wpad.example/proxy.pac"


def pac_proxy_down(setting: Setting) -> None:
    address(PROXY)
    dns({"proxy.example": PROXY})
    script = setting.folder / "proxy.pac"
    script.write_text('function FindProxyForURL(url, host) { return "PROXY proxy.example:3128"; }')
    setting.environment["DRYDOCK_PAC"] = str(script)


def proxy_refuses(setting: Setting) -> None:
    _company(setting, refuse="403 Forbidden")


def portal_redirect(_: Setting) -> None:
    address(HOST)
    names()
    listen(HOST, 80, says(page("302 Found", "", "Location: http://login.portal.example/?from=assets")))


def _answering(answer: bytes) -> Callable[[Setting], None]:
    def set_up(setting: Setting) -> None:
        address(HOST)
        names()
        upstream(ca(setting, "Company root"), says(answer))

    return set_up


def reset(_: Setting) -> None:
    address(HOST)
    names()
    listen(HOST, 443, resets)


def swallowed(_: Setting) -> None:
    address(HOST)
    names()
    listen(HOST, 443, swallows)


def no_tls(_: Setting) -> None:
    address(HOST)
    names()

    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(PORTAL_PAGE)

    listen(HOST, 443, talk)


def clock_behind(setting: Setting) -> None:
    fine(setting)
    listen(HOST, 80, says(_not_found()))
    setting.before = ["faketime", "-f", "-400d"]


def clock_ahead(setting: Setting) -> None:
    fine(setting)
    setting.before = ["faketime", "-f", "+5h"]


def disk_full(setting: Setting) -> None:
    fine(setting)
    store = setting.folder / "small"
    store.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=1m", "none", str(store))
    (store / "filler").write_bytes(bytes((1 << 20) - 8192))
    setting.arguments += ["--store", str(store)]


def disk_read_only(setting: Setting) -> None:
    fine(setting)
    store = setting.folder / "fixed"
    store.mkdir()
    run("mount", "--bind", str(store), str(store))
    run("mount", "-o", "remount,bind,ro", str(store))
    setting.arguments += ["--store", str(store)]


def store_damaged(setting: Setting) -> None:
    fine(setting)
    store = setting.folder / "store"
    (store / "quarantine").mkdir(parents=True)
    (store / "index.sqlite").write_bytes(b"SQLite format 3\0" + bytes(4096) + b"x")
    setting.arguments += ["--store", str(store)]


def mtu(setting: Setting) -> None:
    authority = ca(setting, "Company root")
    process = lose_large_packets(NAME, authority, says(_not_found()))
    setting.before = ["nsenter", f"--net=/proc/{process}/ns/net"]


def many_small(setting: Setting) -> None:
    """Nothing but what is set wrongly in the shell."""
    fine(setting)
    setting.environment |= {"HTTPS_PROXY": f"http://worker:{PASSWORD}#@127.0.0.1:3128"}


SCENARIOS = {
    "fine": Scenario("nothing is broken", fine, "ways.open", "directly", "", "ok"),
    "no-route": Scenario("no route leads outward", no_route, "ways.no-route", HOST, "VPN"),
    "blackhole": Scenario("packets are dropped (iptables DROP)", blackhole, "ways.silence", HOST, "HTTPS_PROXY", slow=True),
    "refused": Scenario("connections are refused", refused, "ways.refused", HOST, "HTTPS_PROXY"),
    "dns-silent": Scenario("DNS does not answer", dns_silent, "names.silent", NAME, "resolv.conf", slow=True),
    "dns-nxdomain": Scenario("DNS knows no name outside", dns_nothing, "names.not-found", NAME, "HTTPS_PROXY"),
    "dns-servfail": Scenario("DNS fails (SERVFAIL)", dns_failing, "names.no-dns", NAME, "resolv.conf"),
    "dns-private": Scenario("DNS answers with a private address", dns_private, "names.private", "10.0.0.1", "private_hosts"),
    "dns-sinkhole": Scenario("DNS answers with 0.0.0.0", dns_sinkhole, "names.private", "0.0.0.0", "private_hosts"),
    "dns-portal": Scenario("DNS leads every name to a portal", dns_portal, "names.portal", PORTAL, "browser"),
    "unknown-ca": Scenario(
        "TLS is re-signed by an unknown CA", unknown_ca, "certificates.unknown-ca", '"Contoso TLS" is missing', "DRYDOCK_CORPORATE_CA"
    ),
    "wrong-ca": Scenario(
        "a CA file is given, of another CA", wrong_ca, "certificates.other-ca", '"Contoso New Root" is missing', "DRYDOCK_CORPORATE_CA"
    ),
    "chain": Scenario(
        "the proxy does not show its whole chain", incomplete_chain, "certificates.other-ca", '"Contoso Issuing" is missing', "CORPORATE_CA"
    ),
    "expired": Scenario("a host's certificate is over", expired, "certificates.late", NAME, "timedatectl"),
    "one-host": Scenario("one of two hosts refuses connections", one_host, "ways.refused", "other.example", "other.example:443"),
    "ca-file": Scenario("the CA file holds no certificate", no_certificates, "certificates.file", "company.pem", "DRYDOCK_CORPORATE_CA"),
    "other-name": Scenario("a certificate for another host", other_name, "certificates.other-name", "filter.example", "DNS"),
    "proxy-fine": Scenario("a proxy takes the password", proxy_fine, "accounts.fine", "takes ours", "", "ok"),
    "proxy-login": Scenario("the proxy wants Basic, none is set", proxy_login, "accounts.missing", "Basic, NTLM", "USER:PASSWORD"),
    "proxy-password": Scenario("the proxy refuses ours", proxy_password, "accounts.refused", "Basic", "%40", afterwards="tried 1 times"),
    "proxy-schemes": Scenario(
        "the proxy offers Negotiate, NTLM, Digest", proxy_schemes, "accounts.other-scheme", "Negotiate, NTLM, Digest", "DRYDOCK_KERBEROS="
    ),
    "proxy-down": Scenario("the proxy is down", proxy_down, "accounts.absent", "proxy.example", "HTTPS_PROXY"),
    "proxy-unknown": Scenario("the proxy's name is not found", proxy_unknown, "accounts.absent", "proxy.example", "HTTPS_PROXY"),
    "pac-away": Scenario("the PAC script cannot be fetched", pac_away, "ways.pac", "wpad.example", "DRYDOCK_PAC"),
    "pac-proxy-down": Scenario("the PAC script names a proxy that is down", pac_proxy_down, "accounts.absent", "proxy.example", ""),
    "proxy-refuses": Scenario("the proxy refuses CONNECT (403)", proxy_refuses, "ways.proxy-said-no", "403", "NO_PROXY"),
    "proxy-setting": Scenario("HTTPS_PROXY cannot be read", many_small, "settings.proxy", "%23", "HTTPS_PROXY"),
    "portal-302": Scenario("a portal redirects, TLS is refused", portal_redirect, "answers.portal", "login.portal.example", "browser"),
    "portal-200": Scenario("a portal answers with 200", _answering(PORTAL_PAGE), "answers.portal", "Guest network", "browser"),
    "block-page": Scenario(
        "a block page answers with 403",
        _answering(page("403 Forbidden", "<html><title>Blocked</title></html>", "Server: Filter")),
        "answers.blocked",
        '"Blocked" from Filter',
        "allow",
    ),
    "empty": Scenario("an empty 200 answers", _answering(page("200 OK", "")), "answers.empty", "empty", "allow"),
    "reset": Scenario("RST in the middle of the handshake", reset, "ways.reset", NAME, "allow"),
    "swallowed": Scenario("the greeting of TLS is swallowed", swallowed, "ways.swallowed", NAME, "allow", slow=True),
    "no-tls": Scenario("plain HTTP answers on 443", no_tls, "ways.no-tls", NAME, "browser"),
    "clock-behind": Scenario("the clock is 400 days behind", clock_behind, "clock.skew", "400 days behind", "timedatectl"),
    "clock-ahead": Scenario("the clock is 5 hours ahead", clock_ahead, "clock.skew", "5 hours ahead", "timedatectl"),
    "disk-full": Scenario("the store's disk is full", disk_full, "disk.full", "0 MiB free", "gc --max-size"),
    "disk-read-only": Scenario("the store cannot be written", disk_read_only, "disk.unwritable", "Read-only file system", "--store"),
    "store-damaged": Scenario("the store's index is damaged", store_damaged, "store.damaged", "index.sqlite", "drydock warm"),
    "mtu": Scenario("packets over 1,300 bytes are lost, ICMP too", mtu, "mtu.lost", "at most 1280 bytes", "network.driver.mtu", slow=True),
}  # fmt: skip


def start(scenario: Scenario, setting: Setting) -> subprocess.CompletedProcess[str]:
    """Break the network and run doctor in it."""
    scenario.set_up(setting)
    (setting.folder / "drydock.toml").write_text(f"pin = {json.dumps(setting.hosts)}\n")
    command = [*setting.before, drydock(), "doctor"]
    return subprocess.run(
        [*command, "--json", *setting.arguments],
        cwd=setting.folder,
        env=setting.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
