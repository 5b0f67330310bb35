"""The status server: whether the proxy is well, what it counted, and the CA's certificate for those who must trust it."""

import asyncio
import html
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from drydock_cache.store import Store
from drydock_cache.upstream import Upstream

from drydock_proxy.admission import Admission
from drydock_proxy.authority import Authority
from drydock_proxy.status_connections import StatusConnections
from drydock_proxy.status_names import is_answered
from drydock_proxy.tally import Tally

_STYLE = """body { font: 16px/1.5 system-ui; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
td, th { text-align: left; padding: .2rem 1rem .2rem 0 }"""
_STOP_SECONDS = 0.1
_LINKS = " · ".join(f'<a href="{path}">{path}</a>' for path in ("/stats", "/metrics", "/readyz", "/ca.pem"))
_PAGE = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>drydock</title><style>{_STYLE}</style>
<h1>drydock</h1><p>%(state)s</p><table>%(rows)s</table><p>{_LINKS}</p></html>
"""


class StatusServer:
    """`/healthz` (the process answers), `/readyz` (it can serve), `/ca.pem`, `/stats` (JSON), `/metrics` (Prometheus), `/`."""

    def __init__(
        self,
        store: Store,
        upstream: Upstream,
        authority: Authority,
        tally: Tally,
        listening: Callable[[], bool],
        admission: Admission,
        more: Iterable[web.RouteDef] = (),
        names: Iterable[str] = (),
    ) -> None:
        self._store = store
        self._upstream = upstream
        self._authority = authority
        self._tally = tally
        self._listening = listening
        app = web.Application(middlewares=[_only_own_names(tuple(names))])
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/ca.pem", self._ca),
                web.get("/stats", self._stats),
                web.get("/metrics", self._metrics),
                *more,
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_SECONDS)
        self._admission = admission
        self._server: asyncio.Server | None = None
        self.address = ("", 0)

    async def start(self, host: str, port: int) -> None:
        """Begin to listen; raise OSError when the port is taken. Afterwards `address` is (host, port)."""
        await self._runner.setup()
        assert self._runner.server is not None
        connections = StatusConnections(self._runner.server, self._admission.admits)
        self._server = await asyncio.get_running_loop().create_server(connections, host, port)
        self.address = self._server.sockets[0].getsockname()[:2]

    async def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()

    def problems(self) -> list[str]:
        """Return what keeps the proxy from serving, or from storing what it fetches; empty when all is well."""
        found = []
        if not self._listening():
            found.append("the proxy ports are not open")
        if not _is_writable(self._store.root):
            found.append(f"the store {self._store.root} cannot be written: hits are served, misses pass through unstored")
        if warning := self._authority.warning(time.time()):
            found.append(warning)
        return found

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        problems = self.problems()
        status = 200 if self._listening() and self._signs() else 503
        return web.json_response({"ready": status == 200, "problems": problems}, status=status)

    async def _ca(self, _request: web.Request) -> web.Response:
        self._authority.refresh()
        return web.Response(body=self._authority.pem, content_type="application/x-pem-file")

    async def _stats(self, _request: web.Request) -> web.Response:
        return web.json_response(self._snapshot())

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(text=self._tally.metrics(self._upstream.connections_tried) + self._ca_metrics())

    async def _page(self, _request: web.Request) -> web.Response:
        problems = self.problems()
        rows = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
            for name, value in self._snapshot().items()
        )
        state = html.escape("; ".join(problems)) if problems else "All is well."
        return web.Response(text=_PAGE % {"state": state, "rows": rows}, content_type="text/html")

    def _signs(self) -> bool:
        now = time.time()
        return self._authority.signs_until(now) > now

    def _ca_metrics(self) -> str:
        now = time.time()
        lines = [
            "# HELP drydock_ca_end_timestamp_seconds Until when the CA can sign, in seconds since 1970.",
            "# TYPE drydock_ca_end_timestamp_seconds gauge",
            f"drydock_ca_end_timestamp_seconds {self._authority.signs_until(now):.0f}",
            "# HELP drydock_ca_healthy 0 when the CA ends within 30 days or cannot be read again.",
            "# TYPE drydock_ca_healthy gauge",
            f"drydock_ca_healthy {int(not self._authority.warning(now))}",
        ]
        return "\n".join(lines) + "\n"

    def _snapshot(self) -> dict[str, object]:
        stored = {"mode": self._upstream.settings.mode.value, "stored_responses": self._store.index.count()}
        return stored | self._tally.snapshot(self._upstream.connections_tried)


def _only_own_names(names: tuple[str, ...]) -> Middleware:
    """Return what answers 403 where the port is reached by a name that may be a stranger's."""

    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_answered(request.headers.get("Host", ""), names):
            return await handler(request)
        reason = f"The status port does not answer to the name {request.headers.get('Host', '')[:80]!r}."
        mend = "Use an address, or start the proxy with --status-name NAME"
        return web.json_response({"error": reason, "mend": mend}, status=403)

    return refuse


def _is_writable(root: Path) -> bool:
    return os.access(root / "staging", os.W_OK) and os.statvfs(root).f_bavail > 0
