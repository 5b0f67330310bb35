"""The file of users and passwords for corporate proxies: read again when it changes, shown to nobody."""

import contextlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from drydock_cache.corporate import CorporateProxy
from drydock_cache.errors import ConfigError
from drydock_cache.file_stamp import FileStamp, file_stamp

_REMEDY = "Write user:password into it, or proxy.example=user:password, one a line."
_READABLE = "In the stack a user of the container's own reads it: keep it in a folder with mode 0700, and give the file itself mode 0644."


@dataclass(frozen=True)
class Login:
    """A user and password, for the proxies of one host, or for those that the settings name where `host` is empty."""

    host: str
    user: str = field(repr=False)
    password: str = field(repr=False)


def parse_logins(text: str, source: str) -> tuple[Login, ...]:
    """Read `user:password` and `proxy.example=user:password` lines; raise ConfigError that quotes none of them."""
    logins = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, password = line.partition(":")
        host, equals, user = name.partition("=")
        if not equals:
            host, user = "", name
        if not colon or not user:
            raise ConfigError(f"{source}, line {number}, is no user and password.", _REMEDY)
        logins.append(Login(host.strip().lower(), user, password))
    return tuple(logins)


def read_logins(path: Path) -> tuple[Login, ...]:
    """Read the file; raise ConfigError that says why it cannot be, and quotes nothing of it."""
    try:
        return parse_logins(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        remedy = _READABLE if isinstance(error, PermissionError) else _REMEDY
        raise ConfigError(f"The file of proxy credentials {path} cannot be read: {why}.", remedy) from None


class ProxyLogins:
    """Gives proxies their user and password from the file at `path`; without a file it gives none."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: FileStamp | None = None
        self._logins: tuple[Login, ...] = ()
        if path is not None:
            self._read(path)

    def give(self, proxy: CorporateProxy, *, named_by_user: bool = True) -> CorporateProxy:
        """Return the proxy with its login, where there is one.

        A proxy that the user did not name, but a script from an open network, gets only what is meant for its very host.
        """
        if self._path is None or proxy.authorization is not None:
            return proxy
        with contextlib.suppress(ConfigError):  # half written: what was read before holds until it is whole
            self._read(self._path)
        if proxy.authenticator:  # which reads the file, too
            return replace(proxy, generation=self._stamp[-1] if self._stamp else 0)
        wanted = [proxy.host.lower(), *([""] if named_by_user else [])]
        for login in sorted(self._logins, key=lambda login: not login.host):
            if login.host in wanted:
                return proxy.with_login(login.user, login.password, str(self._path))
        return proxy

    def _read(self, path: Path) -> None:
        try:
            stamp = file_stamp(path)
        except OSError:  # which reading it says better
            stamp = None
        if stamp is None or stamp != self._stamp:
            self._logins, self._stamp = read_logins(path), stamp
