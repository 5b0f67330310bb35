"""What the internet container serves: files by host and path, redirects, JSON APIs, and what a test puts there."""

import hashlib
import json
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from tests.cloudflare.account import Cloudflare
from tests.cloudflare.api import Api
from tests.upstream.pki import Authority
from tests.upstream.resource import Behaviour, Resource
from tests.upstream.wire import Request

CLOUDFLARE = "api.cloudflare.com"
WEEK = "public, max-age=604800"


class Site:
    """Finds resources under `www`/HOST/PATH; hosts in `apis` answer every path with JSON about the request.

    api.cloudflare.com takes deployments, and knows no token until a test tells it one.
    """

    def __init__(self, www: Path, authority: Authority, apis: frozenset[str]) -> None:
        self._www = www
        self._authority = authority
        self._apis = apis
        self.cloudflare = Api(Cloudflare())
        redirects = www / "redirects.json"
        self._redirects: Mapping[str, str] = json.loads(redirects.read_text()) if redirects.exists() else {}
        self._lock = threading.Lock()
        self._put: dict[str, Resource] = {}
        self._asked: dict[str, int] = {}
        self._read: dict[str, Resource] = {}

    def put(self, place: str, body: bytes, behaviour: Behaviour) -> None:
        """Serve `body` at HOST/PATH from now on, whatever lay there before."""
        with self._lock:
            self._put[place] = Resource(body, behaviour)
            self._asked[place] = 0

    def reset(self) -> None:
        """Take away what was put."""
        with self._lock:
            self._put.clear()
            self.cloudflare.play(Cloudflare())
            self._asked.clear()

    def find(self, request: Request) -> tuple[Resource, int] | None:
        """Return what lies at a request's host and path, and how often it was asked for."""
        if request.host == CLOUDFLARE:
            return self.cloudflare.find(request)
        place = f"{request.host}{request.path}"
        with self._lock:
            self._asked[place] = self._asked.get(place, 0) + 1
            resource = self._put.get(place) or self._at(place, request)
            return None if resource is None else (resource, self._asked[place])

    def _at(self, place: str, request: Request) -> Resource | None:
        if request.host in self._apis:
            return self._api(request)
        if place in self._redirects:
            location = self._redirects[place] + secrets.token_urlsafe(16)
            return Resource(b"", status=302, headers=(("Location", location),), cache_control="no-cache")
        if place not in self._read:
            path = PurePosixPath(place)
            if ".." in path.parts or not (self._www / path).is_file():
                return None
            body = (self._www / path).read_bytes()
            etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            self._read[place] = Resource(body, etag=etag, cache_control=WEEK)
        return self._read[place]

    def _api(self, request: Request) -> Resource:
        answer = {
            "host": request.host,
            "method": request.method,
            "path": request.target,
            "body": request.body.decode(errors="replace"),
            "certificate_sha256": self._authority.leaf_of(request.host).sha256,
        }
        return Resource(json.dumps(answer).encode(), content_type="application/json", cache_control="no-store")
