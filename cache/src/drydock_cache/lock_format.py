"""The text of assets.lock: sorted TOML that is written one way only, and read strictly."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drydock_cache.digest import Digest
from drydock_cache.errors import ConfigError, DigestError
from drydock_cache.keys import CacheKey, normalise_url
from drydock_cache.locked import Lock, LockedAsset, LockedPage
from drydock_cache.plan import AssetKind

LOCK_VERSION = 1
_HEADER = """\
# What this project downloads, and the bytes that alone are taken for it: drydock lock writes it, drydock warm fetches it,
# the proxy serves nothing else for these URLs.
"""
_TABLE = re.compile(r"^\s*\[\[\s*(asset|page)\s*\]\]\s*(?:#.*)?$")
_ASSET_KEYS = ("url", "sha256", "size", "kind", "workers", "why")
_PAGE_KEYS = ("url", "accept", "encoding", "sha256", "size", "content_type", "why")
_PAGE_OPTIONAL = ("status", "coded", "location")
_ENCODINGS = ("gzip", "identity")
_REMEDY = "Write the lock anew: drydock lock"


def render_lock(lock: Lock) -> str:
    """Write a lock as TOML; equal locks give equal bytes."""
    tables = [_render("asset", _asset_fields(asset)) for asset in lock.assets]
    tables += [_render("page", _page_fields(page)) for page in lock.pages]
    return "\n".join([f"{_HEADER}version = {LOCK_VERSION}\n", *tables])


def parse_lock(text: str, source: str) -> Lock:
    """Read a lock; `source` names the file in errors.

    Raise ConfigError for what drydock lock would not have written: unknown or missing keys, values of another kind, a URL
    that stands twice.
    """
    if "<<<<<<<" in text:
        raise ConfigError(f"{source} has the marks of a merge that is not finished.", f"Take one side, then: {_REMEDY}")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source} is not valid TOML: {error}.", _REMEDY) from None
    if not values:
        return Lock()  # an empty file stands for none
    if values.get("version") != LOCK_VERSION:
        raise ConfigError(
            f"{source}: expected version = {LOCK_VERSION}, found {values.get('version')!r}.", "Use the drydock that wrote it."
        )
    if unknown := sorted(set(values) - {"version", "asset", "page"}):
        raise ConfigError(f"{source}: unknown key {unknown[0]!r}; expected version, asset and page.", _REMEDY)
    lines = _lines(text)
    assets = [_asset(entry) for entry in _entries(values, "asset", source, lines)]
    pages = [_page(entry) for entry in _entries(values, "page", source, lines)]
    _refuse_doubles([(CacheKey(asset.url), place) for asset, place in assets])
    _refuse_doubles([(page.key, place) for page, place in pages])
    return Lock.of((asset for asset, _ in assets), (page for page, _ in pages))


def _asset_fields(asset: LockedAsset) -> dict[str, object]:
    return {
        "url": asset.url,
        "sha256": asset.digest.hex,
        "size": asset.size,
        "kind": str(asset.kind),
        "workers": list(asset.workers),
        "why": asset.why,
    }


def _page_fields(page: LockedPage) -> dict[str, object]:
    fields: dict[str, object] = {"url": page.url, "accept": page.accept, "encoding": page.encoding}
    if page.status != 200:
        fields["status"] = page.status
    fields |= {"sha256": page.digest.hex, "size": page.size, "content_type": page.content_type}
    if page.coded:
        fields["coded"] = True
    if page.location:
        fields["location"] = page.location
    return fields | {"why": page.why}


def _render(table: str, fields: Mapping[str, object]) -> str:
    return f"[[{table}]]\n" + "".join(f"{name} = {_value(value)}\n" for name, value in fields.items())


def _value(value: object) -> str:
    """Write a value as TOML: its strings escape as JSON's do, but for DEL, which JSON leaves as it is."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _lines(text: str) -> dict[str, list[int]]:
    """Find the line of each table's header; a line that only looks like one, in a long string, makes the count wrong."""
    lines: dict[str, list[int]] = {"asset": [], "page": []}
    for number, line in enumerate(text.splitlines(), 1):
        if found := _TABLE.match(line):
            lines[found[1]].append(number)
    return lines


@dataclass(frozen=True)
class _Entry:
    values: Mapping[str, Any]
    place: str

    def wrong(self, expected: str, found: object) -> ConfigError:
        return ConfigError(f"{self.place}: expected {expected}, found {found!r}.", _REMEDY)

    def check_keys(self, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
        for name in required:
            if name not in self.values:
                raise ConfigError(f"{self.place}: expected the key {name!r}, which is missing.", _REMEDY)
        for name in self.values:
            if name not in required + optional:
                raise ConfigError(
                    f"{self.place}: unknown key {name!r}; the keys are {', '.join(required + optional)}.", _REMEDY
                )

    def text(self, name: str, default: str | None = None) -> str:
        value = self.values.get(name, default)
        if not isinstance(value, str):
            raise self.wrong(f"{name} to be text", value)
        return value

    def number(self, name: str, default: int | None = None) -> int:
        value = self.values.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.wrong(f"{name} to be a whole number that is not negative", value)
        return value

    def flag(self, name: str) -> bool:
        value = self.values.get(name, False)
        if not isinstance(value, bool):
            raise self.wrong(f"{name} to be true or false", value)
        return value

    def one_of(self, name: str, known: tuple[str, ...]) -> str:
        value = self.text(name)
        if value not in known:
            raise self.wrong(f"{name} to be one of {', '.join(known)}", value)
        return value

    def url(self) -> str:
        value = self.text("url")
        try:
            normalised = normalise_url(value)
        except ConfigError as error:
            raise ConfigError(f"{self.place}: {error.message}", _REMEDY) from None
        if normalised != value:
            raise self.wrong(f"the URL as {normalised!r}", value)
        return value

    def digest(self) -> Digest:
        try:
            return Digest(self.text("sha256"))
        except DigestError as error:
            raise ConfigError(f"{self.place}: {error.message}", _REMEDY) from None


def _entries(values: Mapping[str, Any], table: str, source: str, lines: Mapping[str, list[int]]) -> list[_Entry]:
    entries = values.get(table, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError(f"{source}: expected {table} to be tables with the header [[{table}]], found {entries!r}.", _REMEDY)
    known = lines[table] if len(lines[table]) == len(entries) else []
    places = [f"line {line}" for line in known] or [f"{table} {number}" for number in range(1, len(entries) + 1)]
    return [_Entry(entry, f"{source}, {place}") for entry, place in zip(entries, places, strict=True)]


def _asset(entry: _Entry) -> tuple[LockedAsset, str]:
    entry.check_keys(_ASSET_KEYS)
    workers = entry.values["workers"]
    if not isinstance(workers, list) or not all(isinstance(name, str) for name in workers):
        raise entry.wrong("workers to be a list of names", workers)
    kind = AssetKind(entry.one_of("kind", tuple(AssetKind)))
    found = LockedAsset(entry.url(), entry.digest(), entry.number("size"), kind, tuple(sorted(set(workers))), entry.text("why"))
    return found, entry.place


def _page(entry: _Entry) -> tuple[LockedPage, str]:
    entry.check_keys(_PAGE_KEYS, _PAGE_OPTIONAL)
    status = entry.number("status", 200)
    if not 200 <= status < 500:
        raise entry.wrong("status to be one that is kept, from 200 to 499", status)
    found = LockedPage(
        url=entry.url(),
        accept=_header_value(entry, "accept"),
        encoding=entry.one_of("encoding", _ENCODINGS),
        digest=entry.digest(),
        size=entry.number("size"),
        content_type=_header_value(entry, "content_type"),
        why=entry.text("why"),
        status=status,
        coded=entry.flag("coded"),
        location=_header_value(entry, "location", ""),
    )
    return found, entry.place


def _header_value(entry: _Entry, name: str, default: str | None = None) -> str:
    value = entry.text(name, default)
    if not value.isprintable() or not value.isascii():  # it becomes a header line: no line end may be in it
        raise entry.wrong(f"{name} to be one line of ASCII", value)
    return value


def _refuse_doubles(keys: list[tuple[CacheKey, str]]) -> None:
    places: dict[CacheKey, str] = {}
    for key, place in keys:
        if key in places:
            raise ConfigError(
                f"{place}: {key.url} stands here for the second time; expected it once, in {places[key]}.", _REMEDY
            )
        places[key] = place
