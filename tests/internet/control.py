"""The internet container's control port: what was asked for, and what to serve instead.

GET /log             {"connections": N, "handshakes": [...], "requests": [...], "counts": {"HOST/PATH": N}}
POST /reset          forget all that and whatever was put
PUT /www/HOST/PATH   serve the body there; ?behaviour=NAME makes it misbehave (tests/upstream/resource.py)
PUT /cloudflare      {"tokens": [...], "accounts": {ID: NAME}, "namespaces": [...], "databases": [...]}: what Cloudflare knows
GET /cloudflare      {NAME: {"uploads": [{"metadata": ..., "modules": {NAME: sha256}}], "live", "secrets", "crons"}}: its Workers
GET /certificates/HOST  {"sha256": fingerprint of the certificate that HOST shows}
GET /ca.pem          the root of all its certificates
"""

import json
from collections import Counter
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.cloudflare.account import Cloudflare
from tests.internet.site import Site
from tests.upstream.log import Log
from tests.upstream.pki import Authority
from tests.upstream.resource import Behaviour, Resource
from tests.upstream.wire import Request


class Control:
    """Answers the test's questions about one site."""

    def __init__(self, site: Site, log: Log, authority: Authority) -> None:
        self._site = site
        self._log = log
        self._authority = authority

    def find(self, request: Request) -> tuple[Resource, int] | None:
        """Do what is asked and return the answer; None is a 404."""
        resource = self._answer(request)
        return None if resource is None else (resource, 1)

    def _answer(self, request: Request) -> Resource | None:
        match request.method, request.path.split("/", 2)[1:]:
            case "GET", ["log"]:
                return _json(self._seen())
            case "POST", ["reset"]:
                self._log.reset()
                self._site.reset()
                return _json({})
            case "PUT", ["www", place]:
                behaviour = parse_qs(urlsplit(request.target).query).get("behaviour", ["ok"])[0]
                self._site.put(place, request.body, Behaviour(behaviour))
                return _json({})
            case "PUT", ["cloudflare"]:
                self._site.cloudflare.play(_cloudflare(json.loads(request.body)))
                return _json({})
            case "GET", ["cloudflare"]:
                return _json(self._site.cloudflare.summary())
            case "GET", ["certificates", host]:
                return _json({"sha256": self._authority.leaf_of(host).sha256})
            case "GET", ["ca.pem"]:
                return Resource(self._authority.certificate, content_type="application/x-pem-file")
        return None

    def _seen(self) -> dict[str, object]:
        requests = self._log.requests
        return {
            "connections": self._log.connections,
            "handshakes": [asdict(handshake) for handshake in self._log.handshakes],
            "requests": [
                {
                    "host": request.host,
                    "method": request.method,
                    "path": request.target,
                    "headers": dict(request.headers),
                    "connection": request.connection,
                    "server_name": request.server_name,
                }
                for request in requests
            ],
            "counts": Counter(f"{request.host}{request.path}" for request in requests),
            "failures": self._log.failures,
        }


def _cloudflare(known: dict[str, Any]) -> Cloudflare:
    return Cloudflare(
        tokens=set(known["tokens"]),
        accounts=known["accounts"],
        namespaces=set(known["namespaces"]),
        databases=set(known["databases"]),
    )


def _json(value: object) -> Resource:
    return Resource(json.dumps(value).encode(), content_type="application/json", cache_control="no-store")
