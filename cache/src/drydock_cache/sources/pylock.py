"""What pylock.toml (PEP 751) needs: the wheels that a Worker's packages are installed from."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from drydock_cache.digest import Digest
from drydock_cache.errors import ConfigError, DigestError
from drydock_cache.sources.registry import strip_credentials

_REMEDY = "Write it anew: pywrangler sync --force"


@dataclass(frozen=True)
class LockedFile:
    """One wheel, source distribution or archive of a lock; `size` is in bytes, None where the lock does not say."""

    url: str
    name: str
    version: str
    digest: Digest | None
    size: int | None


def read_pylock(path: Path) -> tuple[LockedFile, ...]:
    """Read a pylock.toml and return what an installer for Pyodide would download, sorted by URL.

    Of a package's wheels those for WebAssembly count, else the pure ones, else all; a source distribution counts where
    there is no wheel. Packages from local paths and version control are not downloads. Raises ConfigError.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.", _REMEDY) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from None
    version = document.get("lock-version")
    # PEP 751: a reader must refuse another major version, and may read another minor one.
    if not isinstance(version, str) or version.partition(".")[0] != "1":
        raise ConfigError(f"{path}: expected lock-version 1.x, found {version!r}.", _REMEDY)
    packages = document.get("packages", [])
    if not isinstance(packages, list):
        raise ConfigError(f"{path}: expected packages to be a list of tables, found {type(packages).__name__}.", _REMEDY)
    files = {file.url: file for package in packages for file in _files(path, package)}
    return tuple(files[url] for url in sorted(files))


def _files(path: Path, package: object) -> list[LockedFile]:
    if not isinstance(package, dict) or not isinstance(package.get("name"), str):
        raise ConfigError(f"{path}: expected each of packages to be a table with a name, found {package!r:.80}.", _REMEDY)
    name = package["name"]
    wheels, sdist, archive = package.get("wheels", []), package.get("sdist"), package.get("archive")
    if not isinstance(wheels, list) or not all(isinstance(one, dict) for one in (*wheels, sdist or {}, archive or {})):
        raise ConfigError(f"{path}: expected wheels of {name} to be a list of tables, sdist and archive to be tables.", _REMEDY)
    chosen: Sequence[Mapping[str, object]] = _fitting(wheels) or [one for one in (sdist, archive) if one]
    return [_file(path, name, str(package.get("version", "")), one) for one in chosen if not _is_local(one)]


def _is_local(source: Mapping[str, object]) -> bool:
    return "url" not in source and "path" in source


def _fitting(wheels: Sequence[Mapping[str, object]]) -> Sequence[Mapping[str, object]]:
    platforms = [(wheel, _file_name(wheel).removesuffix(".whl").rpartition("-")[2]) for wheel in wheels]
    for wanted in ("wasm32", "any"):
        if found := [wheel for wheel, tag in platforms if tag.endswith(wanted)]:
            return found
    return wheels


def _file_name(source: Mapping[str, object]) -> str:
    """The file's name: `name`, or the last part of `url` or `path`, as PEP 751 says."""
    given = source.get("name") or unquote(urlsplit(str(source.get("url") or source.get("path") or "")).path)
    return str(given).rpartition("/")[2]


def _file(path: Path, name: str, version: str, source: Mapping[str, object]) -> LockedFile:
    url, hashes, size = source.get("url"), source.get("hashes"), source.get("size")
    if not isinstance(url, str) or urlsplit(url).scheme not in ("https", "http"):
        raise ConfigError(f"{path}: expected a file of {name} to have an https URL, found {url!r}.", _REMEDY)
    spelled = hashes.get("sha256") if isinstance(hashes, dict) else None
    try:
        digest = Digest.parse(spelled) if isinstance(spelled, str) else None
    except DigestError as error:
        raise ConfigError(f"{path}: {name}: {error.message}", _REMEDY) from None
    # The fragment is the lock's business, no server sees it.
    return LockedFile(
        strip_credentials(urlsplit(url)._replace(fragment="").geturl()),
        name,
        version,
        digest,
        size if isinstance(size, int) and not isinstance(size, bool) else None,
    )
