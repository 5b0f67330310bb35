"""One Kerberos ticket for px: taken from a file or fetched with a password, renewed while it lasts, in a cache of px's own."""

import math
import os
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from auth_settings import krb5_conf
from drydock_cache.errors import ConfigError
from drydock_cache.file_stamp import FileStamp, file_stamp
from ticket_cache import Ticket, read_ticket

# A password that is refused too often locks an account, at a KDC as at a proxy.
_AGAIN_SECONDS = 30.0
_KDC_SECONDS = 15.0
_NO_KDC = "Check the network; where DNS names no KDC of the company, copy /etc/krb5.conf into the folder of DRYDOCK_KERBEROS."
# What Kerberos says (in part), and what mends it.
_MENDED_BY = {"Cannot find KDC": _NO_KDC, "Cannot contact any KDC": _NO_KDC, "Clock skew": "Set this machine's clock right."}


class Tickets:
    """The ticket that libcurl logs in with at the company's proxy `host`, which is empty where a PAC script tells it later.

    `folder` may hold `ticket`, as `kinit -c` writes it, and `krb5.conf`; `shown` is how its user calls that ticket, and empty
    where no folder was given. Where none lies there, one is fetched with user@REALM and the password that `login` reads from
    the file `credentials`.
    """

    def __init__(self, folder: Path, shown: str, host: str, credentials: Path, login: Callable[[], tuple[str, str]]) -> None:
        self.count = 0  # of tickets so far
        self._file, self._own_conf = folder / "ticket", folder / "krb5.conf"
        self._shown = shown
        self._host = host
        self._files = (self._file, self._own_conf, credentials)
        self._login = login
        self._lock = threading.Lock()
        self._ticket: Ticket | None = None
        self._trouble: ConfigError | None = None
        self._renew_at = math.inf
        self._stamps: list[tuple[FileStamp | None, bool]] = []
        self._tried_at = -math.inf
        directory = Path(tempfile.mkdtemp(prefix="kerberos-"))
        self._cache, self._new, self._conf = directory / "cache", directory / "new", directory / "krb5.conf"
        # libcurl's Kerberos is told by the environment alone
        os.environ |= {"KRB5CCNAME": f"FILE:{self._cache}", "KRB5_CONFIG": str(self._conf)}

    @property
    def principal(self) -> str:
        """Whose ticket it is, or nothing while there is none."""
        return self._ticket.principal if self._ticket else ""

    def look(self) -> ConfigError | None:
        """Return why nobody can be logged in now, or None while a ticket holds; files that changed are read first."""
        if self._holds() and self._stamps == self._seen():
            return None
        with self._lock:
            stamps = self._seen()
            again = self._trouble is None or time.monotonic() - self._tried_at >= _AGAIN_SECONDS
            if stamps != self._stamps or (again and not self._holds()):
                self._stamps, self._tried_at = stamps, time.monotonic()
                self._trouble = self._get(self._take)
            return None if self._holds() else self._trouble

    def keep(self) -> None:
        """Renew the ticket for ever; a thread of its own runs this."""
        while True:
            time.sleep(_AGAIN_SECONDS)
            self.renew()

    def renew(self) -> None:
        """Fetch the next ticket when the present one is past the middle of its life, and otherwise of what is left of it.

        A password is tried once: when the ticket is over, whoever asks then has it tried again.
        """
        with self._lock:
            ticket = self._ticket
            if ticket is None or not self._renew_at <= time.time() < ticket.end:
                return
            if self._get(self._next) is not None and self._file.exists():
                self._renew_at = (time.time() + ticket.end) / 2

    def _holds(self) -> bool:
        return self._ticket is not None and time.time() < self._ticket.end

    def _seen(self) -> list[tuple[FileStamp | None, bool]]:
        return [(_stamp(file), os.access(file, os.R_OK)) for file in self._files]

    def _get(self, way: Callable[[], bool]) -> ConfigError | None:
        """Put a new ticket in place, or return why there is none; `way` says whether it can be renewed later."""
        self._renew_at = math.inf
        try:
            renewable = way()
            ticket = read_ticket(self._new.read_bytes())
            if self._host:  # now, and not while requests wait for libcurl
                failed = f"Kerberos gave {ticket.principal} no ticket for {self._host}"
                self._run(failed, "kvno", "-q", "-S", "HTTP", self._host)
        except ConfigError as error:
            print(f"drydock: {error.message}", flush=True)
            return error
        self._new.replace(self._cache)
        self._ticket = ticket
        self.count += 1
        if renewable:
            self._renew_at = (ticket.start + ticket.end) / 2
        print(f"drydock: {ticket.principal} has a Kerberos ticket until {_time(ticket.end)}", flush=True)
        return None

    def _take(self) -> bool:
        try:
            cache = self._file.read_bytes()
            ticket = read_ticket(cache)
        except FileNotFoundError:
            return self._fetch()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(f"{self._shown} cannot be read: {why}", self._kinit("USER@REALM")) from None
        if ticket.end <= time.time():
            said = f"the Kerberos ticket of {ticket.principal} expired on {_time(ticket.end)}"
            raise ConfigError(said, self._kinit(ticket.principal))
        self._configure(ticket.principal)
        self._new.write_bytes(cache)
        return ticket.renewable_until > ticket.end

    def _fetch(self) -> bool:
        try:
            principal, password = self._login()
        except ConfigError as error:
            if not self._shown:
                raise
            raise ConfigError(f"{self._shown} is not there. {error.message}", self._kinit("USER@REALM")) from None
        self._configure(principal)
        self._run(f"Kerberos gave {principal} no ticket", "kinit", principal, secret=password)
        return True

    def _next(self) -> bool:
        if not self._file.exists():
            return self._fetch()
        shutil.copy(self._cache, self._new)
        self._run("the Kerberos ticket cannot be renewed", "kinit", "-R")
        ticket = read_ticket(self._new.read_bytes())
        return ticket.renewable_until > ticket.end

    def _configure(self, principal: str) -> None:
        try:
            lines = self._own_conf.read_text().splitlines()
        except FileNotFoundError:
            lines = krb5_conf(principal.rpartition("@")[2]).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"krb5.conf in the folder cannot be read: {error}", "Give it the mode 0644.") from None
        # what a machine of the company's includes lies on that machine
        self._conf.write_text("".join(f"{line}\n" for line in lines if not line.startswith("include")))

    def _run(self, failed: str, *command: str, secret: str = "") -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C",
            "KRB5_CONFIG": str(self._conf),
            "KRB5CCNAME": f"FILE:{self._new}",
        }
        try:
            done = subprocess.run(
                command, input=secret, capture_output=True, encoding="utf-8", check=False, timeout=_KDC_SECONDS, env=environment
            )
        except subprocess.TimeoutExpired:
            raise ConfigError(f"{failed}: no KDC answered", _NO_KDC) from None
        if done.returncode == 0:
            return
        said = (done.stderr.strip().splitlines() or ["it does not say why"])[-1].removeprefix(f"{command[0]}: ")
        own = (
            "Put the right user@REALM:password into the file of DRYDOCK_PROXY_CREDENTIALS, which is read again then."
            if secret
            else "Let HTTPS_PROXY name the proxy as Kerberos knows it: its people say for which NAME it has the key of HTTP/NAME."
        )
        raise ConfigError(f"{failed}: {said}", next((mend for words, mend in _MENDED_BY.items() if words in said), own))

    def _kinit(self, principal: str) -> str:
        place = shlex.quote(self._shown)
        return f"On this machine: kinit -c {place} {principal} && chmod 644 {place}"


def _stamp(file: Path) -> FileStamp | None:
    try:
        return file_stamp(file)
    except OSError:
        return None


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d at %H:%M} UTC"
