"""What Cloudflare knows: accounts, tokens, resources, Workers, and the failures that a test asks for."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

type Json = Mapping[str, Any]


@dataclass(frozen=True)
class Upload:
    """One version of a Worker as it arrived."""

    metadata: Json
    modules: Mapping[str, bytes]
    types: Mapping[str, str]
    """Media type of each module."""

    @property
    def bindings(self) -> dict[str, Json]:
        """Return the bindings by name."""
        return {binding["name"]: binding for binding in self.metadata.get("bindings", ())}


@dataclass
class Script:
    """A Worker in an account."""

    uploads: list[Upload] = field(default_factory=list)
    live: list[str] = field(default_factory=list)
    """Ids of the versions that were made live, the last one last."""
    secrets: set[str] = field(default_factory=set)
    crons: list[str] = field(default_factory=list)

    def keep(self, upload: Upload) -> str:
        """Keep a version and return its id; secrets that came along stay."""
        self.uploads.append(upload)
        self.secrets |= {name for name, binding in upload.bindings.items() if binding["type"] == "secret_text"}
        return f"{len(self.uploads):08d}-0000-4000-8000-000000000000"

    def summary(self) -> Json:
        """Return what a test in another process wants to know, as JSON."""
        uploads = [
            {
                "metadata": upload.metadata,
                "modules": {name: hashlib.sha256(body).hexdigest() for name, body in upload.modules.items()},
            }
            for upload in self.uploads
        ]
        return {"uploads": uploads, "live": self.live, "secrets": sorted(self.secrets), "crons": self.crons}


@dataclass(frozen=True)
class Refusal(Exception):  # noqa: N818 - an answer
    """An answer that is an error, with Cloudflare's number for it."""

    status: int
    code: int
    message: str


@dataclass(frozen=True)
class Fault:
    """A failure that was asked for: what answers to `method` and a path that `path` matches whole."""

    method: str
    path: re.Pattern[str]
    status: int
    body: bytes


@dataclass
class Cloudflare:
    """The whole of it."""

    tokens: set[str] = field(default_factory=set)
    """Those that are valid and may edit Workers."""
    powerless: set[str] = field(default_factory=set)
    """Those that are valid and may only read who they belong to."""
    accounts: dict[str, str] = field(default_factory=dict)
    """Id → name."""
    namespaces: set[str] = field(default_factory=set)
    databases: set[str] = field(default_factory=set)
    scripts: dict[str, Script] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def fail(self, method: str, path: str, status: int, body: bytes = b"<html>Internal Server Error</html>") -> None:
        """Answer `method` at paths that the pattern matches with this from now on."""
        self.faults.append(Fault(method, re.compile(path), status, body))

    def script(self, name: str) -> Script:
        """Return a Worker; one that was never uploaded is refused as the API does."""
        if name not in self.scripts:
            raise Refusal(404, 10007, "This Worker does not exist on your account.")
        return self.scripts[name]

    def check(self, upload: Upload) -> None:
        """Refuse an upload whose main module is missing or whose bindings lead nowhere."""
        if upload.metadata.get("main_module") not in upload.modules:
            raise Refusal(400, 10021, "Uncaught TypeError: main module is missing")
        for name, binding in upload.bindings.items():
            match binding["type"]:
                case "kv_namespace" if binding["namespace_id"] not in self.namespaces:
                    raise Refusal(400, 10041, f"KV namespace '{binding['namespace_id']}' not found.")
                case "d1" if binding["id"] not in self.databases:
                    raise Refusal(400, 10181, f"D1 binding '{name}' references database '{binding['id']}' which was not found.")
                case "service" if binding["service"] not in self.scripts:
                    raise Refusal(
                        400,
                        10143,
                        f"Could not resolve service binding '{name}'. Target script '{binding['service']}' not found.",
                    )
                case _:
                    pass


def read_upload(content_type: str, body: bytes) -> Upload:
    """Take an upload form apart, as MIME has it."""
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    metadata: Json = {}
    modules, types = {}, {}
    for part in message.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if part.get_filename() is None:
            metadata = json.loads(content)
        else:
            modules[name], types[name] = content, part.get_content_type()
    return Upload(metadata, modules, types)
