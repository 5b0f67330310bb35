"""A package index: its address, the hosts behind it, and the file that may name it where no client is installed."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from drydock_cache.errors import ConfigError

BAKED_VARIABLE = "DRYDOCK_REGISTRIES_DIR"


class RegistryKind(StrEnum):
    """The package indexes that the toolchain uses; the values are those of `registries` in drydock.toml."""

    PYTHON = "python"
    NPM = "npm"


@dataclass(frozen=True)
class Registry:
    """One package index: its URL without credentials, and the hosts (in lower case) that serve its pages and files.

    `scope` is the npm scope like "@acme" that the registry is for, and empty for all else.
    """

    kind: RegistryKind
    index_url: str
    hosts: tuple[str, ...]
    scope: str = ""


def is_baked(kind: RegistryKind, environ: Mapping[str, str]) -> bool:
    """Say whether DRYDOCK_REGISTRIES_DIR has a file of this kind."""
    folder = environ.get(BAKED_VARIABLE, "")
    return folder != "" and (Path(folder) / kind).is_file()


def baked_registry(kind: RegistryKind, environ: Mapping[str, str]) -> Registry | None:
    """Read the file of this kind in the folder that DRYDOCK_REGISTRIES_DIR names; None when the variable is not set."""
    folder = environ.get(BAKED_VARIABLE)
    if not folder:
        return None
    path = Path(folder) / kind
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; {BAKED_VARIABLE} names its folder.") from None
    urls = [line for line in lines if line and not line.startswith("#")]
    if not urls:
        raise ConfigError(f"{path}: expected the URL of a {kind} package index on the first line, found none.")
    hosts = [host_of(url, str(path)) for url in urls]
    return Registry(kind, strip_credentials(urls[0]), tuple(dict.fromkeys(hosts)))


def registry_at(kind: RegistryKind, url: str, source: str, scope: str = "") -> Registry:
    """Make the registry for an index URL; `source` is where the URL was found, for the error."""
    return Registry(kind, strip_credentials(url), (host_of(url, source),), scope)


def is_remote(url: str) -> bool:
    """Whether an index is reached over the network; clients also take folders and file: URLs."""
    return url.lower().startswith(("https://", "http://"))


def host_of(url: str, source: str) -> str:
    """Return the host of an http or https URL, in lower case; raise ConfigError naming `source` for anything else."""
    try:
        host = urlsplit(url).hostname if is_remote(url) else None
    except ValueError:
        host = None
    if not host:
        raise ConfigError(f"{source}: expected the http or https URL of a package index, found {strip_credentials(url)!r}.")
    return host.lower()


def strip_credentials(url: str) -> str:
    """Return the URL without user name and password."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"
