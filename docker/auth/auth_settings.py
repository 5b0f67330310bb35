"""What px is told, decided from the environment and the file of logins: where it logs in, as whom, how, and whom it serves."""

import base64
import ipaddress
from collections.abc import Mapping, Sequence

from drydock_cache.corporate import CorporateProxy
from drydock_cache.errors import ConfigError
from drydock_cache.proxy_logins import Login

_FILE = "Put user:password into a file, and set DRYDOCK_PROXY_CREDENTIALS to its path."
# Without a ticket of Kerberos, Negotiate fails where NTLM, which such proxies offer beside it, would do.
_KINDS = {"": "SAFENONEGOTIATE", "digest": "DIGEST", "ntlm": "NTLM", "negotiate": "NEGOTIATE"}
_PRINCIPAL = "Write me@CORP.EXAMPLE:password into it, the part behind @ as Kerberos calls the domain: in capitals, as a rule."
_DAY = str(24 * 3600)


def company_proxy(environment: Mapping[str, str]) -> CorporateProxy | None:
    """Return the proxy of the usual variables, or None where a PAC script says which; raise ConfigError when neither is there."""
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy", "HTTP_PROXY"):
        if environment.get(name):
            proxy = CorporateProxy.parse(environment[name], name)
            if proxy.scheme != "http":
                raise ConfigError(
                    f"{name} names a proxy that is spoken to by TLS, {proxy.url}: expected http:// with the profile corporate-auth.",
                    "Ask your network's people for its port without TLS; or use a proxy that takes Basic, without the profile.",
                )
            return proxy
    if environment.get("DRYDOCK_PAC"):
        return None
    raise ConfigError(
        "The profile corporate-auth has no proxy to log in at: expected HTTPS_PROXY or a PAC script.",
        "Set HTTPS_PROXY=http://proxy.example:8080; on a network without such a proxy, take corporate-auth out of COMPOSE_PROFILES.",
    )


def choose_login(proxy: CorporateProxy | None, logins: Sequence[Login]) -> tuple[str, str]:
    """Return user and password for the company's proxy: its own line, else the one without a host, else what its URL holds.

    Raise ConfigError when there is none.
    """
    host = proxy.host.lower() if proxy else ""
    for wanted in dict.fromkeys((host, "")):
        for login in logins:
            if login.host == wanted:
                return login.user, login.password
    if proxy is None and len(logins) == 1:
        return logins[0].user, logins[0].password
    if proxy is not None and proxy.authorization:
        user, _, password = base64.b64decode(proxy.authorization.partition(" ")[2]).decode().partition(":")
        return user, password
    where = f"for {host}" if host and logins else "at all"
    raise ConfigError(f"The profile corporate-auth has no user and password {where}.", _FILE)


def choose_principal(proxy: CorporateProxy | None, logins: Sequence[Login]) -> tuple[str, str]:
    """Return the user, as Kerberos calls him, and the password; raise ConfigError when there is none, or he has no realm."""
    user, password = choose_login(proxy, logins)
    if "@" not in user:
        raise ConfigError("The user in the file of DRYDOCK_PROXY_CREDENTIALS has no realm.", _PRINCIPAL)
    return user, password


def krb5_conf(realm: str) -> str:
    """Return what Kerberos needs to know where DNS knows the rest, as it does in a domain of Windows.

    By TCP first: such a domain's tickets exceed a datagram. A proxy's name is taken as it is before DNS is asked for another.
    """
    return f"""[libdefaults]
    default_realm = {realm}
    dns_lookup_kdc = true
    dns_canonicalize_hostname = fallback
    rdns = false
    udp_preference_limit = 1
"""


def negotiates(environment: Mapping[str, str]) -> bool:
    """Say whether px is to log in with Kerberos: where that is asked for, or its folder is given and nothing else is."""
    kind = _kind(environment)
    return kind == "negotiate" or (not kind and bool(environment.get("DRYDOCK_KERBEROS")))


def px_settings(environment: Mapping[str, str], logins: Sequence[Login]) -> dict[str, str]:
    """Return the variables that px reads, the password among them; raise ConfigError."""
    proxy = company_proxy(environment)
    where = {"PX_PAC": environment["DRYDOCK_PAC"]} if proxy is None else {"PX_SERVER": f"{proxy.host}:{proxy.port}"}
    settings = where | {
        "PX_AUTHRETRY": "30",
        "PX_IDLE": _DAY,  # whoever opened a tunnel decides how long it may be quiet
    }
    if negotiates(environment):  # without a user, libcurl takes the ticket
        if not environment.get("DRYDOCK_KERBEROS"):
            choose_principal(proxy, logins)
        return settings | {"PX_AUTH": _KINDS["negotiate"]}
    user, password = choose_login(proxy, logins)
    return settings | {"PX_USERNAME": user, "PX_PASSWORD": password, "PX_AUTH": _KINDS[_kind(environment)]}


def _kind(environment: Mapping[str, str]) -> str:
    kind = environment.get("DRYDOCK_PROXY_AUTH", "").strip().lower()
    if kind not in _KINDS:
        known = ", ".join(filter(None, _KINDS))
        raise ConfigError(f"DRYDOCK_PROXY_AUTH is {kind!r}: expected one of {known}, or nothing.", "Correct it, or unset it.")
    return kind


def served(interface: str, gateway: str) -> str:
    """Return the clients that px serves: the network of `interface` (address/bits) without its gateway, which is the host.

    Anybody on the host could use the company's proxy by somebody else's account otherwise.
    """
    network = ipaddress.IPv4Interface(interface).network
    first, last = network.network_address, network.broadcast_address
    host = ipaddress.IPv4Address(gateway)
    parts = [(first, host - 1), (host + 1, last)] if host in network else [(first, last)]
    return ",".join(["127.0.0.1", *(f"{low}-{high}" for low, high in parts if low <= high)])
