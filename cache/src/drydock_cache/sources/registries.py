"""Which hosts package indexes and their files live on, as the clients of this machine are configured to use them."""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from drydock_cache.errors import ConfigError
from drydock_cache.sources.npm_registry import npm_registries
from drydock_cache.sources.python_indexes import python_indexes
from drydock_cache.sources.registry import Registry, RegistryKind


def read_registries(
    kinds: Iterable[RegistryKind], environ: Mapping[str, str] | None = None, folder: Path | None = None
) -> tuple[Registry, ...]:
    """Find the package indexes of the given kinds; the one that a client takes by default comes first of its kind.

    Configuration of `folder` (a Worker's) counts too when one is given. The folder that DRYDOCK_REGISTRIES_DIR names is read
    where no configuration names an index, and for npm no installed one does: a file `python` and a file `npm` with an index URL
    on the first line and, on further ones, URLs on other hosts that its files lie on. Raises ConfigError, which says what to
    set, when that is missing too.
    """
    environ = os.environ if environ is None else environ
    readers = {RegistryKind.PYTHON: python_indexes, RegistryKind.NPM: npm_registries}
    return tuple(registry for kind in dict.fromkeys(kinds) for registry in readers[kind](environ, folder))


def render_baked(registries: Iterable[Registry]) -> str:
    """Write registries of one kind as the file that DRYDOCK_REGISTRIES_DIR is read for."""
    urls: dict[str, None] = {}
    for registry in registries:
        urls[registry.index_url] = None
        index_host = urlsplit(registry.index_url).hostname
        urls.update((f"https://{host}/", None) for host in registry.hosts if host != index_host)
    return "# Package indexes and the hosts of their files, read from the clients of the image that was built.\n" + "".join(
        f"{url}\n" for url in urls
    )


def main() -> int:
    """Print what is baked of Python's indexes, for the build of an image: python -m drydock_cache.sources.registries."""
    try:
        print(render_baked(read_registries([RegistryKind.PYTHON])), end="")
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
