"""Judges what the probe in a Worker's container (docker/worker/worker_probe.py) saw: clients, the sealed network, versions."""

import json
from dataclasses import replace
from typing import Any

from drydock_cache.doctor.clients import ClientSeen, judge_clients
from drydock_cache.doctor.finding import Finding, Place, fail, skipped
from drydock_cache.doctor.networks import SealedSeen, judge_sealed
from drydock_cache.doctor.versions import judge_versions


def judge_worker(text: str) -> list[Finding]:
    """Judge the probe's JSON; what is none is what its container said when it did not start."""
    if not text.strip():
        why = "The proxy does not run, so no client was asked; start it: docker compose up --detach --wait proxy"
        return [replace(skipped("clients.all", "Workers", why), place=Place.WORKER)]
    try:
        seen: dict[str, Any] = json.loads(text[text.index("{") :])
        clients = [ClientSeen(**one) for one in seen["clients"]]
        network = seen["network"]
        sealed = SealedSeen(network["proxy"], network["route"], tuple(network["allowed"]), tuple(network["nonsense"]))
        versions = dict(seen["versions"])
    except (ValueError, KeyError, TypeError):
        last = text.strip().splitlines()[-1][:300]
        found = fail(
            "clients.all", "Workers", "A Worker's container does not start.", last, "docker compose up --detach --wait proxy"
        )
        return [replace(found, place=Place.WORKER)]
    found_all = [*judge_clients(clients), *judge_sealed(sealed), *judge_versions(versions)]
    return [replace(one, place=Place.WORKER) for one in found_all]
