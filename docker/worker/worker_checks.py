"""Decide what keeps a Worker from being deployed: placeholders, bindings and secrets that are missing."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker_errors import WorkerError

# An id of zeros alone, or of other characters than an id has: what wrangler.jsonc carries before somebody made the resource.
_KV_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_D1_ID = re.compile(r"(?![0-]{36})[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PLACEHOLDER = re.compile(r"\byour-[a-z-]*(id|name|url|key)\b")


@dataclass(frozen=True)
class Declared:
    """What the Worker's own settings ask for, by the names in `env`."""

    required_secrets: tuple[str, ...] = ()
    optional_secrets: tuple[str, ...] = ()
    required_bindings: tuple[str, ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return every secret, the required ones first."""
        return self.required_secrets + self.optional_secrets


@dataclass(frozen=True)
class Configuration:
    """What wrangler reads from the Worker's configuration, for the environment that is deployed."""

    name: str
    kv: Mapping[str, str]
    """Binding → id."""
    d1: Mapping[str, tuple[str, str]]
    """Binding → name and id of the database."""
    services: Mapping[str, str]
    """Binding → name of the other Worker."""
    variables: Mapping[str, str]
    crons: tuple[str, ...]
    account: str = ""


def read_configuration(read: Mapping[str, Any]) -> Configuration:
    """Take what counts here from wrangler's normalised configuration."""
    return Configuration(
        name=str(read["name"]),
        kv={entry["binding"]: entry.get("id") or "" for entry in read.get("kv_namespaces", ())},
        d1={
            entry["binding"]: (entry.get("database_name") or "", entry.get("database_id") or "")
            for entry in read.get("d1_databases", ())
        },
        services={entry["binding"]: entry["service"] for entry in read.get("services") or ()},
        variables={name: str(value) for name, value in read.get("vars", {}).items()},
        crons=tuple(read.get("triggers", {}).get("crons") or ()),
        account=read.get("account_id") or "",
    )


def command(service: str, *words: str) -> str:
    """Write a command of wrangler as the user of the host runs it."""
    return f"`docker compose run --rm --env CLOUDFLARE_API_TOKEN {service} wrangler {' '.join(words)}`"


def find_faults(service: str, configuration: Configuration, declared: Declared, bound: Iterable[str]) -> list[str]:
    """List what the configuration lacks for a deployment, each with its mend; `bound` are the names in the upload."""
    faults = []
    for binding, id_ in configuration.kv.items():
        if not _KV_ID.fullmatch(id_):
            make = command(service, "kv", "namespace", "create", binding)
            faults.append(
                f"{binding} has the placeholder id {id_!r}: run {make} and put the id that it prints into wrangler.jsonc"
            )
    for binding, (database, id_) in configuration.d1.items():
        if not _D1_ID.fullmatch(id_):
            make = command(service, "d1", "create", database)
            faults.append(
                f"{binding} has the placeholder id {id_!r}: run {make} and put the id that it prints into wrangler.jsonc"
            )
    for name, value in configuration.variables.items():
        if name in declared.secrets:
            faults.append(f"{name} is a secret, but stands among vars, where anybody in the dashboard reads it: take it out")
        elif found := _PLACEHOLDER.search(value):
            faults.append(f"{name} still holds the placeholder {found.group()!r}: put the real value into wrangler.jsonc")
    names = set(bound)
    faults += [
        f"the Worker needs the binding {name}: add it to wrangler.jsonc"
        for name in declared.required_bindings
        if name not in names
    ]
    return faults


def missing_secrets(declared: Declared, given: Iterable[str], at_cloudflare: Iterable[str]) -> list[str]:
    """List the required secrets that neither come along nor are there already."""
    there = {*given, *at_cloudflare}
    return [name for name in declared.required_secrets if name not in there]


def ask_for_secrets(service: str, name: str, missing: Sequence[str], *, exists: bool) -> str:
    """Say how the missing secrets get to Cloudflare; to a Worker that does not exist yet they can only come with the upload."""
    together = f"`make deploy WORKER={service} SECRETS=FILE`, where FILE has one NAME=value a line"
    if exists:
        puts = " and ".join(command(service, "secret", "put", secret) for secret in missing)
        return f"{name} lacks {_list(missing)} at Cloudflare: run {puts}, or {together}"
    return (
        f"{name} needs {_list(missing)}, and is not at Cloudflare yet, so `wrangler secret put` has no Worker to put them to: "
        f"send them along with {together}"
    )


def read_secrets(text: str, declared: Declared) -> dict[str, str]:
    """Read secrets from JSON or from lines NAME=value, and refuse a name that the Worker does not declare.

    Values are taken as they stand: no variable in them is expanded. No message shows one.
    """
    try:
        secrets = json.loads(text) if text.lstrip().startswith("{") else dict(_lines(text))
    except json.JSONDecodeError as error:
        raise WorkerError(f"the file of secrets is not JSON: {error.msg} in line {error.lineno}; mend that line") from None
    for name, value in secrets.items():
        if not isinstance(value, str) or not value:
            raise WorkerError(f"the file of secrets has no text for {name}: write a value behind it, or take {name} out")
    unknown = [name for name in secrets if declared.secrets and name not in declared.secrets]
    if unknown:
        raise WorkerError(
            f"the file of secrets names {_list(unknown)}: expected {_list(declared.secrets)}; correct the name, or take it out"
        )
    return secrets


def _lines(text: str) -> Iterable[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            matched = re.fullmatch(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*", line)
            if matched is None:
                raise WorkerError(f"line {number} of the file of secrets is not NAME=value; correct that line")
            name, value = matched.groups()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
            yield name, value[1:-1] if quoted else value


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
