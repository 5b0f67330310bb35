"""`drydock ca`: say how long the CA signs, let its next intermediate take over, or make a new root."""

import json
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from drydock_cache import terminal
from drydock_cache.errors import ConfigError
from drydock_cache.options import JsonOption

from drydock_proxy.authority import day, ending, read, replace_root, rotate
from drydock_proxy.certificates import permitted_hosts
from drydock_proxy.command import ExportCaOption, StateOption
from drydock_proxy.succession import Succession


class Action(StrEnum):
    """What is to be done with the CA."""

    STATUS = "status"
    ROTATE = "rotate"


def ca(
    action: Annotated[
        Action, typer.Argument(help="status says how it is; rotate lets the next intermediate sign.")
    ] = Action.STATUS,
    root: Annotated[bool, typer.Option("--root", help="With rotate: make a new root, which clients must trust anew.")] = False,
    state: StateOption = Path("state"),
    export_ca: ExportCaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look after the CA; status ends with 1 when it ends within 30 days. A running proxy takes changes up by itself."""
    now = time.time()
    if root and action is not Action.ROTATE:
        raise ConfigError("--root belongs to rotate.", "Run drydock ca rotate --root")
    if action is Action.ROTATE:
        succession = replace_root(state, now, export_ca) if root else rotate(state, now)
        terminal.say(
            "There is a new root: clients must trust the new ca.pem, and Workers be restarted (docker compose restart)."
            if root
            else "The next intermediate signs now, and the key of the last one is destroyed. Clients need nothing."
        )
    else:
        succession = read(state)
    warning = ending(succession, now)
    facts = _facts(succession, now)
    if as_json:
        terminal.result(json.dumps(facts | {"warning": warning}))
    else:
        for name, value in facts.items():
            terminal.result(f"{name.replace('_', ' ')}: {', '.join(value) if isinstance(value, list) else value}")
    if warning:
        terminal.say(warning)
        raise typer.Exit(int(action is Action.STATUS))


def _facts(succession: Succession, now: float) -> dict[str, object]:
    signer = succession.signer(now)
    return {
        "root": succession.root.subject.rfc4514_string(),
        "root_ends": day(succession.ends),
        "signs_until": day(succession.signs_until(now)),
        "signer": signer.certificate.subject.rfc4514_string() if signer else "none",
        "signer_ends": day(signer.validity.ends) if signer else "",
        "rotations_possible_today": succession.rotations(now),
        "intermediates_left": len(succession.intermediates),
        "hosts": list(permitted_hosts(succession.root) or ()),
    }
