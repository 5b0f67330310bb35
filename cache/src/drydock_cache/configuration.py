"""Configuration: drydock.toml, the environment and the command line, read once and passed on as frozen values."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

from drydock_cache.corporate import CorporateProxy
from drydock_cache.errors import ConfigError
from drydock_cache.limits import LIMITS_TABLE, read_limits
from drydock_cache.mode import Mode
from drydock_cache.policy import Policy, RegistryHosts
from drydock_cache.routes import ProxyRoutes, Route
from drydock_cache.sources.registries import read_registries
from drydock_cache.sources.registry import Registry, RegistryKind
from drydock_cache.upstream_settings import UpstreamSettings

UPSTREAM_TABLE = "upstream"
_TABLES = (UPSTREAM_TABLE, LIMITS_TABLE)
_PRIVATE_HOSTS = "private_hosts"
_ROUTES = "routes"
_PAC = "pac"
# The service of the compose profile that logs in at the company's proxy with Digest, NTLM or Negotiate.
_AUTH_PROFILE = "corporate-auth"
_AUTHENTICATOR = CorporateProxy("http", _AUTH_PROFILE, 3128, authenticator=True)


def parse_resolve(texts: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Read `HOST=ADDRESS:PORT` entries; raise ConfigError. An address may be a name, which is looked up at each connection."""
    found = {}
    for text in texts:
        host, equals, target = text.partition("=")
        address, _, port = target.rpartition(":")
        if not (host and equals and address and port.isdigit() and 0 < int(port) < 65536):
            raise ConfigError(
                f"--resolve {text!r} cannot be read.",
                "Write it as HOST=ADDRESS:PORT, such as --resolve index.example=10.0.0.8:443",
            )
        found[host.lower().rstrip(".")] = (address.strip("[]"), int(port))
    return found


def private_hosts(policy: Policy) -> frozenset[str]:
    """Return the hosts that may resolve to private addresses, from [upstream] in drydock.toml; raise ConfigError."""
    hosts = _upstream_table(policy).get(_PRIVATE_HOSTS, [])
    if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
        raise ConfigError(f"{policy.source}: {_PRIVATE_HOSTS} under [{UPSTREAM_TABLE}] must be a list of host names.")
    return frozenset(host.lower().rstrip(".") for host in hosts)


def proxy_routes(policy: Policy, environment: Mapping[str, str]) -> ProxyRoutes:
    """Return which hops lead where, from [upstream] in drydock.toml and the environment; raise ConfigError."""
    table = _upstream_table(policy)
    lines = table.get(_ROUTES, {})
    if not isinstance(lines, dict):
        raise ConfigError(
            f"{policy.source}: {_ROUTES} under [{UPSTREAM_TABLE}] must be a table.",
            f"Write it as [{UPSTREAM_TABLE}.{_ROUTES}].",
        )
    pac = table.get(_PAC, "")
    if not isinstance(pac, str):
        raise ConfigError(f"{policy.source}: {_PAC} under [{UPSTREAM_TABLE}] must be the path or URL of a PAC script.")
    place = f"{policy.source}, [{UPSTREAM_TABLE}.{_ROUTES}]"
    routes = tuple(Route.parse(pattern, value, place) for pattern, value in lines.items())
    return ProxyRoutes.from_environment(environment, routes, environment.get("DRYDOCK_PAC") or pac)


def _upstream_table(policy: Policy) -> Mapping[str, object]:
    known = (_PRIVATE_HOSTS, _PAC, _ROUTES)
    table = policy.extra.get(UPSTREAM_TABLE, {})
    unknown = set(table) - set(known)
    if unknown:
        raise ConfigError(
            f"{policy.source}: [{UPSTREAM_TABLE}] has an unknown key {min(unknown)!r}.", f"Known are: {', '.join(known)}."
        )
    return table


def load_policy(path: Path, environment: Mapping[str, str]) -> tuple[Policy, list[str]]:
    """Read the policy file with the registries of this machine's clients; also return what should be said about it."""
    policy = Policy.load(path, tables=_TABLES)
    # what is wrong in the file is said at once, whatever the command needs of it
    private_hosts(policy)
    proxy_routes(policy, {})
    read_limits(policy)
    if "registries" not in policy.key_lines:  # nobody is asked for what no line needs
        return policy, list(policy.notes)
    registries, missing = client_registries(environment)
    policy = Policy.load(path, registries, tables=_TABLES)
    return policy, [*policy.notes, *(missing if policy.notes else ())]


def upstream_settings(
    policy: Policy, environment: Mapping[str, str], mode: Mode, resolve: Sequence[str], ca_files: Sequence[Path]
) -> UpstreamSettings:
    """Put together how upstream is reached."""
    credentials = environment.get("DRYDOCK_PROXY_CREDENTIALS")
    profiles = environment.get("DRYDOCK_PROFILES", "").replace(" ", "").split(",")
    return UpstreamSettings(
        mode=mode,
        routes=proxy_routes(policy, environment),
        ca_files=tuple(ca_files),
        resolve=parse_resolve(resolve),
        private_hosts=private_hosts(policy),
        limits=read_limits(policy),
        credentials=Path(credentials) if credentials else None,
        authenticator=_AUTHENTICATOR if _AUTH_PROFILE in profiles else None,
    )


def client_registries(environment: Mapping[str, str]) -> tuple[list[RegistryHosts], list[str]]:
    """Return the hosts of the package registries that this machine's clients use, and a sentence for each kind not found."""
    # at the same time, because pip and npm are asked, which takes each of them a moment
    with ThreadPoolExecutor(len(RegistryKind)) as pool:
        answers = list(pool.map(partial(_hosts_of, environment=environment), RegistryKind))
    return [one for one in answers if isinstance(one, RegistryHosts)], [one for one in answers if isinstance(one, str)]


def registry_names(environment: Mapping[str, str], folders: Sequence[Path] = ()) -> frozenset[str]:
    """Return the names, without ports, of all hosts of package registries that this machine's clients use.

    With `folders` the settings of the Workers in them count, too. A kind that nobody configured names no host.
    """

    def names(place: tuple[Path | None, RegistryKind]) -> list[str]:
        try:
            found = read_registries([place[1]], environment, place[0])
        except ConfigError:
            return []
        return [host for registry in found for host in registry.hosts]

    places = list(product(folders or (None,), RegistryKind))
    with ThreadPoolExecutor(len(RegistryKind)) as pool:
        return frozenset(name for some in pool.map(names, places) for name in some)


def _hosts_of(kind: RegistryKind, environment: Mapping[str, str]) -> RegistryHosts | str:
    """Return the hosts of one kind's registries, or the sentence that says why they are not known."""
    try:
        registries = read_registries([kind], environment)
    except ConfigError as error:
        return str(error)
    hosts = {host: None for registry in registries for host in _with_ports(registry)}
    return RegistryHosts(kind.value, tuple(hosts))


def _with_ports(registry: Registry) -> Iterator[str]:
    parts = urlsplit(registry.index_url)
    port = parts.port or (80 if parts.scheme == "http" else None)
    for host in registry.hosts:
        name = f"[{host}]" if ":" in host else host
        yield f"{name}:{port}" if port and host == parts.hostname else name
