"""The part of Cloudflare's API that a deployment speaks to, as a function from request to answer."""

import json
import re
import threading
from collections.abc import Callable
from typing import Any

from tests.cloudflare.account import Cloudflare, Refusal, Script, read_upload
from tests.upstream.resource import Resource
from tests.upstream.wire import Request

ROOT = "/client/v4"
_ROUTES: list[tuple[str, re.Pattern[str], str]] = []


def _route(method: str, path: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Note which method of Api answers; `{account}` and `{script}` are taken out of the path."""
    pattern = re.compile(path.replace("{account}", "(?P<account>[^/]+)").replace("{script}", "(?P<script>[^/]+)"))

    def note(function: Callable[..., Any]) -> Callable[..., Any]:
        _ROUTES.append((method, pattern, function.__name__))
        return function

    return note


class Api:
    """Answers requests out of what `cloudflare` knows; safe for several connections."""

    def __init__(self, cloudflare: Cloudflare) -> None:
        self._cloudflare = cloudflare
        self._lock = threading.Lock()

    def play(self, cloudflare: Cloudflare) -> None:
        """Answer out of this from now on."""
        with self._lock:
            self._cloudflare = cloudflare

    def summary(self) -> dict[str, Any]:
        """Return the summary of each Worker."""
        with self._lock:
            return {name: script.summary() for name, script in self._cloudflare.scripts.items()}

    def find(self, request: Request) -> tuple[Resource, int]:
        """Answer as `tests.upstream.server` asks for it."""
        path = request.path.removeprefix(ROOT)
        with self._lock:
            for fault in self._cloudflare.faults:
                if fault.method == request.method and fault.path.fullmatch(path):
                    kind = "application/json" if fault.body.startswith(b"{") else "text/html"
                    return Resource(fault.body, status=fault.status, content_type=kind), 1
            try:
                return _envelope(200, self._answer(request, path)), 1
            except Refusal as refusal:
                return _envelope(refusal.status, None, refusal), 1

    def _answer(self, request: Request, path: str) -> Any:
        token = (request.header("authorization") or "").removeprefix("Bearer ")
        known = self._cloudflare
        if token not in known.tokens | known.powerless:
            if path == "/user/tokens/verify":
                raise Refusal(401, 1000, "Invalid API Token")
            raise (
                Refusal(403, 9109, "Invalid access token")
                if path.startswith("/user")
                else Refusal(403, 10000, "Authentication error")
            )
        for method, pattern, name in _ROUTES:
            matched = pattern.fullmatch(path)
            if matched and method == request.method:
                parts = matched.groupdict()
                if (account := parts.pop("account", None)) is not None:
                    if account not in known.accounts:
                        raise Refusal(404, 7003, f"Could not route to {path}, perhaps your object identifier is invalid?")
                    if token in known.powerless:
                        raise Refusal(403, 10000, "Authentication error")
                return getattr(self, name)(request, **parts)
        raise Refusal(404, 7000, "No route for that URI")

    @_route("GET", "/user/tokens/verify")
    def _verify(self, request: Request) -> Any:
        return {"id": "1" * 32, "status": "active"}

    @_route("GET", "/user")
    def _user(self, request: Request) -> Any:
        raise Refusal(403, 9109, "Unauthorized to access requested resource")

    @_route("GET", "/accounts")
    def _accounts(self, request: Request) -> Any:
        return [{"id": id_, "name": name} for id_, name in self._cloudflare.accounts.items()]

    @_route("GET", "/memberships")
    def _memberships(self, request: Request) -> Any:
        return [{"id": id_, "account": account} for id_, account in enumerate(self._accounts(request))]

    @_route("GET", "/accounts/{account}/workers/services/{script}")
    def _service(self, request: Request, script: str) -> Any:
        if script not in self._cloudflare.scripts:
            raise Refusal(404, 10090, "This service does not exist on your account.")
        own = {"tag": script, "tags": [], "last_deployed_from": "wrangler"}
        return {"default_environment": {"environment": "production", "script": own}}

    @_route("GET", "/accounts/{account}/workers/scripts/{script}/secrets")
    def _secrets(self, request: Request, script: str) -> Any:
        return [{"name": name, "type": "secret_text"} for name in sorted(self._cloudflare.script(script).secrets)]

    @_route("PUT", "/accounts/{account}/workers/scripts/{script}")
    def _put(self, request: Request, script: str) -> Any:
        upload = read_upload(request.header("content-type") or "", request.body)
        self._cloudflare.check(upload)
        kept = self._cloudflare.scripts.setdefault(script, Script())
        version = kept.keep(upload)
        kept.live.append(version)
        return {"id": script, "etag": "e", "startup_time_ms": 900, "deployment_id": version.replace("-", "")}

    @_route("POST", "/accounts/{account}/workers/scripts/{script}/versions")
    def _version(self, request: Request, script: str) -> Any:
        kept = self._cloudflare.script(script)
        upload = read_upload(request.header("content-type") or "", request.body)
        self._cloudflare.check(upload)
        return {"id": kept.keep(upload), "startup_time_ms": 900, "resources": {"script": {"etag": "e"}}}

    @_route("GET", "/accounts/{account}/workers/scripts/{script}/deployments")
    def _deployments(self, request: Request, script: str) -> Any:
        live = self._cloudflare.script(script).live
        return {
            "deployments": [{"id": "2" * 32, "versions": [{"version_id": id_, "percentage": 100}]} for id_ in reversed(live)]
        }

    @_route("POST", "/accounts/{account}/workers/scripts/{script}/deployments")
    def _deployment(self, request: Request, script: str) -> Any:
        self._cloudflare.script(script).live += [version["version_id"] for version in json.loads(request.body)["versions"]]
        return {"id": "2" * 32}

    @_route("GET", "/accounts/{account}/workers/scripts/{script}/settings")
    def _bindings(self, request: Request, script: str) -> Any:
        return {"bindings": self._cloudflare.script(script).uploads[-1].metadata["bindings"]}

    @_route("PATCH", "/accounts/{account}/workers/scripts/{script}/script-settings")
    def _settings(self, request: Request, script: str) -> Any:
        return json.loads(request.body)

    @_route("PUT", "/accounts/{account}/workers/scripts/{script}/schedules")
    def _schedules(self, request: Request, script: str) -> Any:
        self._cloudflare.script(script).crons = [schedule["cron"] for schedule in json.loads(request.body)]
        return {"schedules": json.loads(request.body)}

    @_route("GET", "/accounts/{account}/workers/subdomain")
    def _subdomain(self, request: Request) -> Any:
        return {"subdomain": "example"}

    @_route("GET", "/accounts/{account}/workers/workers/{script}")
    def _worker(self, request: Request, script: str) -> Any:
        self._cloudflare.script(script)
        return {"id": script, "name": script, "subdomain": {"enabled": True, "previews_enabled": False}}

    @_route("POST", "/accounts/{account}/workers/scripts/{script}/subdomain")
    def _enabled(self, request: Request, script: str) -> Any:
        return {"enabled": True, "previews_enabled": False}


def _envelope(status: int, result: Any, refusal: Refusal | None = None) -> Resource:
    errors = [{"code": refusal.code, "message": refusal.message}] if refusal else []
    answer: dict[str, Any] = {"success": refusal is None, "errors": errors, "messages": [], "result": result}
    if isinstance(result, list):
        answer["result_info"] = {"page": 1, "per_page": 100, "count": len(result), "total_count": len(result), "total_pages": 1}
    return Resource(json.dumps(answer).encode(), status=status, content_type="application/json", cache_control="no-store")
