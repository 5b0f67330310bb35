"""The bill of materials of an export: every asset in it as a component, in CycloneDX 1.6."""

import json
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from drydock_cache.index import StoredResponse

_WHEEL = re.compile(r"(?P<name>[A-Za-z0-9._]+)-(?P<version>[A-Za-z0-9._+!]+)(?:-\d\w*)?-[^-]+-[^-]+-[^-]+\.whl")
_NPM = re.compile(r"/(?P<name>(?:@[^/]+/)?[^/@]+)/-/(?P<file>[^/]+)\.tgz")


def bill_of_materials(responses: Sequence[StoredResponse], as_of: float) -> bytes:
    """Return the CycloneDX document of the assets among the responses; index pages are no components.

    It follows from its arguments alone: its serial number is made from what it lists, its time is `as_of`.
    """
    assets = [stored for stored in responses if stored.status == 200 and not stored.vary]
    listed = "\n".join(f"{stored.key.url} {stored.blob.digest}" for stored in assets)
    serial = uuid.uuid5(uuid.NAMESPACE_URL, listed)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(as_of, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": [{"type": "application", "name": "drydock", "version": version("drydock-cache")}]},
        },
        "components": [_component(stored) for stored in assets],
    }
    return json.dumps(document, indent=1, ensure_ascii=True).encode() + b"\n"


def _component(stored: StoredResponse) -> dict[str, Any]:
    url = stored.key.url
    path = urlsplit(url).path
    component: dict[str, Any] = {"type": "file", "bom-ref": url, "name": _last(path) or url}
    if found := _package(path):
        kind, name, number = found
        component |= {"type": "library", "name": name, "version": number}
        component["purl"] = f"pkg:{kind}/{quote(name, safe='/')}@{quote(number, safe='.')}"
    component["hashes"] = [{"alg": "SHA-256", "content": stored.blob.digest.hex}]
    component["externalReferences"] = [{"type": "distribution", "url": url}]
    component["properties"] = [{"name": "drydock:size", "value": str(stored.blob.size)}]
    return component


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _package(path: str) -> tuple[str, str, str] | None:
    """Return kind, name and version of the package that a URL's path names, where the path tells."""
    plain = unquote(path)
    if wheel := _WHEEL.fullmatch(_last(plain)):
        return "pypi", re.sub(r"[-_.]+", "-", wheel["name"]).lower(), wheel["version"]
    if npm := _NPM.search(plain):
        base = npm["name"].rpartition("/")[2]
        if npm["file"].startswith(f"{base}-"):
            return "npm", npm["name"], npm["file"].removeprefix(f"{base}-")
    return None
