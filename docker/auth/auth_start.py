"""Runs px, which logs in at the company's proxy for drydock: one try of a refused login in 30 seconds, and no password shown.

Settings, from the environment: HTTPS_PROXY or DRYDOCK_PAC; DRYDOCK_PROXY_CREDENTIALS, the file with user and password, followed
when it changes; DRYDOCK_PROXY_AUTH, digest, ntlm or negotiate; DRYDOCK_KERBEROS, the folder with a Kerberos ticket, which its
user calls DRYDOCK_KERBEROS_SHOWN. `auth_start.py ADDRESS:PORT` listens elsewhere than at 0.0.0.0:3128.
"""

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import mcurl
import psutil
import px.handler
import px.main
from auth_settings import choose_principal, company_proxy, negotiates, px_settings, served
from drydock_cache.errors import ConfigError
from drydock_cache.file_stamp import FileStamp, file_stamp
from drydock_cache.proxy_logins import Login, read_logins
from tickets import Tickets

# What drydock knows it by that px found no company's proxy; a company's own 502 is about the host behind it.
AWAY = 521
# That Kerberos logs nobody in. The reason phrase says why and, behind a tab, what mends it.
NO_TICKET = 522
_NOWHERE = "/nonexistent"
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")


def main() -> None:
    """Set px up and serve until the process is stopped; what is wrong with the settings is one sentence and status 1."""
    environment = dict(os.environ)
    listen = sys.argv[1] if len(sys.argv) > 1 else "0.0.0.0:3128"
    address, _, port = listen.rpartition(":")
    _Handler.environment, _Handler.stamp = environment, _stamp(environment)
    try:
        settings = px_settings(environment, _logins(environment))
        settings |= {"PX_LISTEN": address, "PX_PORT": port, "PX_WORKERS": "1", "PX_ALLOW": _allowed(address)}
        _Handler.tickets = _tickets(environment) if negotiates(environment) else None
    except ConfigError as error:
        sys.exit(_told(error))
    # libcurl must not take a way of its own; px reads its settings from here, and nothing of them is in /proc or in an argument
    for name in _PROXIES:
        os.environ.pop(name, None)
        os.environ.pop(name.lower(), None)
    os.environ.update(settings)
    mcurl.MCurl = _OneTry
    px.handler.STATUS_PHRASES[AWAY] = "The company's proxy did not answer"
    px.handler.ConnectionHandler = _Handler
    if _Handler.tickets is not None:
        threading.Thread(target=_Handler.tickets.keep, daemon=True).start()
    print(f"drydock: logging in at {settings.get('PX_SERVER') or settings['PX_PAC']} ({settings['PX_AUTH']})", flush=True)
    sys.argv[1:] = []
    px.main.main()


class _OneTry(mcurl.MCurl):  # type: ignore[misc]
    """px would try a wrong password three times before it waits; three are enough to lock an account."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.set_failure_threshold(1)


class _Handler(px.handler.ConnectionHandler):  # type: ignore[misc]
    """One connection of drydock's to px: with the password that is in the file now, and the company's own answers."""

    environment: Mapping[str, str] = MappingProxyType({})
    stamp: FileStamp | None = None
    tickets: Tickets | None = None
    tickets_used = 0

    async def _handle_request(self, *arguments: Any) -> None:
        if self.tickets is None:
            self._renew()
        elif trouble := await asyncio.to_thread(self.tickets.look):
            self._send_trouble(trouble)
            return
        elif self.tickets.count != _Handler.tickets_used:
            _Handler.tickets_used = self.tickets.count
            px.handler.STATE.mcurl.reset_proxy_failures()
        await super()._handle_request(*arguments)

    def _renew(self) -> None:
        stamp = _stamp(self.environment)
        if stamp is None or stamp == _Handler.stamp:
            return
        try:
            settings = px_settings(self.environment, _logins(self.environment))
        except ConfigError:  # half written: it is looked at again until it is whole
            return
        _Handler.stamp = stamp
        state = px.handler.STATE
        state.username = os.environ["PX_USERNAME"] = settings["PX_USERNAME"]
        os.environ["PX_PASSWORD"] = settings["PX_PASSWORD"]
        state.mcurl.reset_proxy_failures()
        print("drydock: the file of users and passwords changed and was read again", flush=True)

    def _send_error(self, code: int, message: str = "") -> None:
        """Answer as the company's proxy did: px makes 401 of its 407, and 502 of all else."""
        if code == 401 and self.tickets is not None:
            said = f"it does not take the Kerberos ticket of {self.tickets.principal}, and is not asked again for 30 seconds"
            print(f"drydock: the company's proxy: {said}", flush=True)
            self._send_trouble(ConfigError(said, "Ask its people whether this account may use the proxy."))
            return
        if code == 401:
            code = 407
            print("drydock: the company's proxy refused the user and password, or wants another kind of login", flush=True)
        elif self.curl is not None and self.curl.is_connect:
            result, said = self.curl.get_connect_response()
            code = said if result == 0 and said >= 400 else AWAY
        super()._send_error(code, message)

    def _send_trouble(self, trouble: ConfigError) -> None:
        phrase = f"{trouble.message}\t{trouble.remedy}"
        px.handler.STATUS_PHRASES[NO_TICKET] = phrase.encode("ascii", "replace").decode()
        super()._send_error(NO_TICKET, trouble.message)


def _tickets(environment: Mapping[str, str]) -> Tickets:
    proxy = company_proxy(environment)
    folder = environment.get("DRYDOCK_KERBEROS", "")
    return Tickets(
        Path(folder or _NOWHERE),
        f"{environment.get('DRYDOCK_KERBEROS_SHOWN') or folder}/ticket" if folder else "",
        proxy.host if proxy else "",
        Path(environment.get("DRYDOCK_PROXY_CREDENTIALS") or _NOWHERE),
        lambda: choose_principal(proxy, _logins(environment)),
    )


def _logins(environment: Mapping[str, str]) -> tuple[Login, ...]:
    path = environment.get("DRYDOCK_PROXY_CREDENTIALS")
    return read_logins(Path(path)) if path else ()


def _stamp(environment: Mapping[str, str]) -> FileStamp | None:
    try:
        return file_stamp(Path(environment.get("DRYDOCK_PROXY_CREDENTIALS", "")))
    except OSError:
        return None


def _allowed(address: str) -> str:
    if address != "0.0.0.0":  # noqa: S104
        return address
    found = [
        f"{one.address}/{one.netmask}"
        for addresses in psutil.net_if_addrs().values()
        for one in addresses
        if one.family == socket.AF_INET and not one.address.startswith("127.")
    ]
    if not found:
        return "127.0.0.1"
    routes = [line.split() for line in Path("/proc/net/route").read_text().splitlines()[1:]]
    gateways = [route[2] for route in routes if route[1] == "00000000"]
    gateway = socket.inet_ntoa(bytes.fromhex(gateways[0])[::-1]) if gateways else "0.0.0.0"  # noqa: S104
    return ",".join(served(interface, gateway) for interface in found)


def _told(error: ConfigError) -> str:
    return f"corporate-auth: {error.message}" + (f"\n  mend: {error.remedy}" if error.remedy else "")


if __name__ == "__main__":
    main()
