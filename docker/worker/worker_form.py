"""Read the form that wrangler uploads a Worker as (`wrangler deploy --dry-run --outfile FILE`): its metadata and its modules."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker_errors import WorkerError


@dataclass(frozen=True)
class Module:
    """One file of the upload; the name is its path, `python_modules/…` for what was vendored."""

    name: str
    content: bytes

    @property
    def size(self) -> int:
        """Return its bytes."""
        return len(self.content)


@dataclass(frozen=True)
class Form:
    """What one request tells Cloudflare about a Worker: everything but its crons, routes and secrets that are kept."""

    metadata: Mapping[str, Any]
    modules: tuple[Module, ...]

    @property
    def bindings(self) -> tuple[Mapping[str, Any], ...]:
        """Return the bindings and variables, each with `name` and `type`."""
        return tuple(self.metadata.get("bindings", ()))


def read_form(content: bytes) -> Form:
    """Take a multipart/form-data body apart (RFC 7578); raise WorkerError where it is none, or says nothing of a Worker."""
    boundary = content.partition(b"\r\n")[0]
    metadata: Mapping[str, Any] = {}
    modules = []
    for part in content.split(b"\r\n" + boundary)[:-1] if boundary.startswith(b"--") else ():
        head, _, body = part.removeprefix(boundary).removeprefix(b"\r\n").partition(b"\r\n\r\n")
        named = re.search(rb'; name="([^"]*)"(; filename=)?', head)
        if named is None:
            continue
        if named.group(2):
            modules.append(Module(named.group(1).decode(), body))
        elif named.group(1) == b"metadata":
            metadata = json.loads(body)
    if not metadata or not modules:
        raise WorkerError(
            f"wrangler's dry run left no upload form: expected metadata and modules, found {len(content)} bytes without them; "
            "this version of wrangler is not the one that drydock was made for: unset WRANGLER_VERSION and build again"
        )
    return Form(metadata, tuple(modules))
