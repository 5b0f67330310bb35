"""The plan: every asset that a set of Workers needs before it starts, and its form as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from drydock_cache.digest import Digest
from drydock_cache.errors import ConfigError, DigestError

PLAN_VERSION = 1


class AssetKind(StrEnum):
    """What an asset is, in the order in which a Worker needs it."""

    INTERPRETER = "interpreter"
    WHEEL = "wheel"
    NPM = "npm"
    BUNDLE = "bundle"
    STDLIB = "stdlib"
    OTHER = "other"


@dataclass(frozen=True)
class Asset:
    """One immutable download.

    `digest` is None where nobody knows it beforehand; `integrity` is then, for npm packages, the lock's Subresource
    Integrity text (sha512 as a rule). `size` is in bytes. `worker` names the Workers that need it, joined by ", ".
    """

    url: str
    kind: AssetKind
    digest: Digest | None
    size: int | None
    reason: str
    worker: str
    integrity: str = ""


@dataclass(frozen=True)
class Plan:
    """Assets in a stable order (kind, then URL), each URL once, and sentences about what the plan cannot know.

    `unresolved` names the Workers whose Python packages nobody knows yet, because they have no pylock.toml.
    """

    assets: tuple[Asset, ...]
    notes: tuple[str, ...]
    unresolved: tuple[str, ...] = ()


def plan_to_json(plan: Plan) -> str:
    """Write a plan as JSON text; equal plans give equal bytes."""
    assets = [
        {
            "url": asset.url,
            "kind": asset.kind,
            "digest": None if asset.digest is None else str(asset.digest),
            "size": asset.size,
            "reason": asset.reason,
            "worker": asset.worker,
            "integrity": asset.integrity,
        }
        for asset in plan.assets
    ]
    document = {"version": PLAN_VERSION, "assets": assets, "notes": list(plan.notes), "unresolved": list(plan.unresolved)}
    return json.dumps(document, indent=2) + "\n"


def plan_from_json(text: str, source: str) -> Plan:
    """Read what plan_to_json wrote; `source` names the file in errors. Raises ConfigError for anything else."""
    remedy = "Write it anew: drydock plan"
    try:
        document = json.loads(text)
        if document["version"] != PLAN_VERSION:
            raise ConfigError(f"{source}: expected a plan of version {PLAN_VERSION}, found {document['version']!r}.", remedy)
        assets = tuple(_asset(entry) for entry in document["assets"])
        notes = tuple(_text(note) for note in document["notes"])
        unresolved = tuple(_text(worker) for worker in document["unresolved"])
    except DigestError as error:
        raise ConfigError(f"{source}: {error.message}", remedy) from None
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{source} is not a plan: {type(error).__name__} {error}.", remedy) from None
    return Plan(assets, notes, unresolved)


def _asset(entry: Mapping[str, object]) -> Asset:
    digest, size, url = entry["digest"], entry["size"], _text(entry["url"])
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"expected an http or https URL, found {url!r}")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise TypeError(f"expected size to be a number of bytes, found {size!r}")
    return Asset(
        url,
        AssetKind(_text(entry["kind"])),
        None if digest is None else Digest.parse(_text(digest)),
        size,
        _text(entry["reason"]),
        _text(entry["worker"]),
        _text(entry["integrity"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {value!r}")
    return value
