"""Real Squid in the foreground as a corporate proxy: with a password of any kind, and with TLS signed anew by a CA of its own."""

import argparse
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.upstream.child import Child, accepts, free_port
from tests.upstream.kerberos import Kdc
from tests.upstream.lead import Lead
from tests.upstream.pki import Authority

LIBRARY = Path("/usr/lib/squid")
# Log lines: result and status, method, URL or CONNECT's target, user; never a password.
LOG_FORMAT = "seen %Ss/%03>Hs %rm %ru %un"


# Of the KDC in Squid's container.
KDC_PORT = 8888
KDC_DIRECTORY = Path("/tmp/kdc")


class Kind(StrEnum):
    """How a corporate proxy lets itself be logged in to."""

    BASIC = "basic"
    DIGEST = "digest"
    NTLM = "ntlm"
    NEGOTIATE = "negotiate"


@dataclass(frozen=True)
class Company:
    """What a corporate proxy does. Squid itself must not run as root.

    login: user and password that authentication of this `kind` wants.
    only: the ports that CONNECT is allowed to; any, when empty.
    kdc: who gives the tickets that Negotiate wants; it knows the login.
    idle_seconds: after how long it closes connections on which nothing is said; Squid's own hours, when 0.
    bump: the authority that signs every certificate anew; None passes TLS on unread.
    trust: PEM file of the roots that Squid trusts when it bumps; None means the system's.
    lead: host → address and port where its TLS upstream really listens, for upstreams on free ports.
    """

    login: tuple[str, str] | None = None
    bump: Authority | None = None
    trust: Path | None = None
    lead: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    kind: Kind = Kind.BASIC
    only: tuple[int, ...] = ()
    idle_seconds: int = 0
    kdc: Kdc | None = None


def configuration(directory: Path, listen: str, company: Company, parent: int | None = None) -> str:
    """Return squid.conf, and write the files it names into `directory`; `parent` is the port of a Lead."""
    lines = [
        f"logformat {LOG_FORMAT}",
        f"access_log stdio:{directory}/access.log seen",
        f"cache_log {directory}/cache.log",
        "cache deny all",
        "pid_filename none",
        f"coredump_dir {directory}",
        "visible_hostname corporate.example",
        "shutdown_lifetime 0 seconds",
        "pinger_enable off",
    ]
    lines += _bumping(directory, listen, company) if company.bump else [f"http_port {listen}"]
    lines += _leading(parent, company) if parent else []
    if company.only:
        lines += [f"acl allowed port {' '.join(map(str, company.only))}", "http_access deny CONNECT !allowed"]
    if company.idle_seconds:
        limit = f"{company.idle_seconds} seconds"
        lines += [f"{name} {limit}" for name in ("read_timeout", "client_idle_pconn_timeout")]
    if company.login is None:
        return "\n".join([*lines, "http_access allow all", ""])
    passwords = directory / "passwords"
    _write_password(passwords, company.kind, *company.login)
    lines += [
        *_asking(passwords, company.kind, company.kdc),
        "acl known proxy_auth REQUIRED",
        "http_access allow known",
        "http_access deny all",
    ]
    return "\n".join([*lines, ""])


def _asking(passwords: Path, kind: Kind, kdc: Kdc | None) -> list[str]:
    match kind:
        case Kind.BASIC:
            program, own = f"{LIBRARY}/basic_ncsa_auth {passwords}", ["credentialsttl 1 second", "realm corporate"]
        case Kind.DIGEST:
            program, own = f"{LIBRARY}/digest_file_auth {passwords}", ["realm corporate"]
        case Kind.NTLM:
            # by env: Squid gives a helper another name than its path, from which Python could not tell its venv
            program, own = (
                f"/usr/bin/env {sys.executable} {Path(__file__).with_name('ntlm_helper.py')} {passwords}",
                ["keep_alive on"],
            )
        case Kind.NEGOTIATE:
            assert kdc is not None
            # no memory of what was shown before: Squid's would outlive the test
            environment = f"KRB5_CONFIG={kdc.krb5_conf} KRB5RCACHENAME=none:"
            program = f"/usr/bin/env {environment} {LIBRARY}/negotiate_kerberos_auth -k {kdc.keytab} -s {kdc.service}"
            own = ["keep_alive on"]
    settings = [f"program {program}", "children 2 startup=1 idle=1", *own]
    return [f"auth_param {kind} {setting}" for setting in settings]


def _write_password(passwords: Path, kind: Kind, user: str, password: str) -> None:
    if kind is not Kind.BASIC:  # Negotiate's is the KDC's to check; here nobody reads it
        passwords.write_text(f"{user}:{password}\n")
        return
    hashing = ["openssl", "passwd", "-apr1", "-stdin"]
    hashed = subprocess.run(hashing, input=password, check=True, capture_output=True, text=True).stdout
    passwords.write_text(f"{user}:{hashed}")


def _bumping(directory: Path, listen: str, company: Company) -> list[str]:
    assert company.bump is not None
    authority = directory / "bump.pem"
    authority.touch(mode=0o600)
    authority.write_bytes(company.bump.certificate + company.bump.key)
    certificates = directory / "certificates"
    if not certificates.exists():
        make = [f"{LIBRARY}/security_file_certgen", "-c", "-s", str(certificates), "-M", "4MB"]
        subprocess.run(make, check=True, capture_output=True)
    trust = company.trust or Path(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt")
    return [
        f"http_port {listen} ssl-bump tls-cert={authority} generate-host-certificates=on dynamic_cert_mem_cache_size=4MB",
        f"sslcrtd_program {LIBRARY}/security_file_certgen -s {certificates} -M 4MB",
        "sslcrtd_children 2 startup=1 idle=1",
        f"tls_outgoing_options cafile={trust}",
        "ssl_bump bump all",
    ]


def _leading(parent: int, company: Company) -> list[str]:
    hosts = " ".join(company.lead)
    return [
        f"acl led dstdomain {hosts}",
        f"cache_peer 127.0.0.1 parent {parent} 0 no-query no-digest default",
        "cache_peer_access 127.0.0.1 allow led",
        "cache_peer_access 127.0.0.1 deny all",
        "never_direct allow led",
    ]


class Squid(Child):
    """A corporate proxy on a port of its own; `directory` must exist and holds its files and logs."""

    def __init__(self, directory: Path, company: Company, *, address: str = "127.0.0.1", port: int = 0) -> None:
        self.port = port or free_port(address)
        self._company = company
        self._access = directory / "access.log"
        squid_conf = directory / "squid.conf"
        self._lead = Lead(company.lead) if company.lead else None
        parent = self._lead.port if self._lead else None
        squid_conf.write_text(configuration(directory, f"{address}:{self.port}", company, parent))
        # a service name of its own: Squids that run at once, or that crashed once, would give each other their shared memory
        self._service = f"company{self.port}t{time.time_ns() // 1000}"
        command = ["squid", "-N", "-n", self._service, "-f", str(squid_conf)]
        # killed: asked to end, it takes two seconds, whatever shutdown_lifetime says
        super().__init__(command, directory / "squid.log", lambda: accepts(self.port), stop_signal=signal.SIGKILL)
        self._cache_log = directory / "cache.log"

    def __enter__(self) -> Self:
        if self._lead is not None:
            self._lead.__enter__()
        return super().__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        super().__exit__(kind, error, trace)
        # what it would take away itself if it were asked to end
        for segment in Path("/dev/shm").glob(f"{self._service}-*"):
            segment.unlink(missing_ok=True)
        if self._lead is not None:
            self._lead.__exit__(kind, error, trace)

    def output(self) -> str:
        """Return what it has printed and logged so far, without its requests."""
        return super().output() + (self._cache_log.read_text() if self._cache_log.exists() else "")

    def url(self, password: str | None = None) -> str:
        """Return the proxy's URL for HTTPS_PROXY, with the login in it; `password` replaces the right one."""
        if self._company.login is None:
            return f"http://127.0.0.1:{self.port}"
        user, right = self._company.login
        return f"http://{user}:{password or right}@127.0.0.1:{self.port}"

    def change_password(self, password: str) -> None:
        """Let another password be right, as when one expires; Squid takes the old one for a second more."""
        assert self._company.login is not None
        passwords = self._access.with_name("passwords")
        _write_password(passwords, self._company.kind, self._company.login[0], password)
        later = time.time() + 10  # the helper looks at whole seconds
        os.utime(passwords, (later, later))

    def seen(self) -> list[str]:
        """Return a line for each request: result and status, method, URL or CONNECT's target, user."""
        lines = self._access.read_text().splitlines() if self._access.exists() else []
        return [line for line in lines if "error:transaction-end-before-headers" not in line]  # looks whether it is ready


def main() -> None:
    """Run Squid in a container until it is stopped, bumping TLS when it has a CA; its log lines go to standard output."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--listen", required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--ca", type=Path, help="re-sign TLS, and write the certificate of its CA here")
    parser.add_argument("--trust", type=Path, action="append", default=[], help="a PEM file of roots beside the system's")
    parser.add_argument("--kind", type=Kind, default=Kind.BASIC, help="how it wants to be logged in to")
    parser.add_argument("--kdc", metavar="NAME", help=f"run a KDC on port {KDC_PORT}, which knows the proxy by this name")
    arguments = parser.parse_args()
    login = (os.environ["SQUID_USER"], os.environ["SQUID_PASSWORD"])
    directory = Path(tempfile.mkdtemp())
    trust = directory / "trust.pem"
    roots = [Path("/etc/ssl/certs/ca-certificates.crt"), *arguments.trust]
    trust.write_bytes(b"".join(root.read_bytes() for root in roots))
    authority = Authority.create("Corporate test root") if arguments.ca else None
    if authority is not None:
        authority.write(arguments.ca)
    kdc = None
    if arguments.kdc is not None:
        KDC_DIRECTORY.mkdir()
        kdc = Kdc(KDC_DIRECTORY, *login, proxy=arguments.kdc, address="0.0.0.0", port=KDC_PORT)
        kdc.start()
    company = Company(login=login, kind=arguments.kind, bump=authority, trust=trust, kdc=kdc)
    squid_conf = directory / "squid.conf"
    settings = configuration(directory, arguments.listen, company)
    squid_conf.write_text(settings.replace(f"stdio:{directory}/access.log", "stdio:/dev/stdout"))
    squid = shutil.which("squid") or "/usr/sbin/squid"
    sys.stdout.flush()
    os.execv(squid, [squid, "-N", "-d", "1", "-f", str(squid_conf)])


if __name__ == "__main__":
    main()
