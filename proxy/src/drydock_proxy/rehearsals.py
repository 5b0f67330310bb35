"""Rehearsals over HTTP: the record of what was asked for, read at the status port, begun and ended by a command."""

import asyncio
import time
from importlib.metadata import version

from aiohttp import web
from drydock_cache.exchange import Exchange
from drydock_cache.lock_format import render_lock
from drydock_cache.locked import REHEARSED, Lock, LockedAsset
from drydock_cache.mode import Mode
from drydock_cache.overview import asset_kind
from drydock_cache.page_locks import used_pages
from drydock_cache.policy import Policy
from drydock_cache.store import Store
from drydock_cache.upstream import Upstream

from drydock_proxy.admission import Admission
from drydock_proxy.client_names import ClientNames
from drydock_proxy.journal import log_access
from drydock_proxy.record import Record
from drydock_proxy.tally import Tally


class Rehearsals:
    """`GET /rehearsal` (the one under way, else everything since the start), `POST /rehearsal/begin`, `POST /rehearsal/end`."""

    def __init__(
        self, exchange: Exchange, store: Store, upstream: Upstream, policy: Policy, tally: Tally, admission: Admission
    ) -> None:
        self._exchange = exchange
        self._store = store
        self._upstream = upstream
        self._policy = policy
        self._tally = tally
        self._admission = admission
        self._mode = upstream.settings.mode
        self._names = ClientNames(asking=self._mode is not Mode.OFFLINE)
        if self._mode is Mode.REHEARSAL:
            tally.since_start.on_miss = self._names.learn

    def routes(self) -> list[web.RouteDef]:
        """Return what the status server adds to its own."""
        return [
            web.get("/rehearsal", self._show),
            web.post("/rehearsal/begin", self._begin),
            web.post("/rehearsal/end", self._end),
        ]

    async def _show(self, _request: web.Request) -> web.Response:
        return web.json_response(await self._report(self._tally.rehearsal or self._tally.since_start))

    async def _begin(self, request: web.Request) -> web.Response:
        if refusal := self._refused(request):
            return refusal
        if self._tally.rehearsal is not None:
            return _error(409, "A rehearsal is under way already.", "End it first: POST /rehearsal/end")
        self._tally.rehearsal = Record(self._upstream.connections_tried, self._names.learn)
        self._exchange.rehearsing = True
        log_access("rehearsal", client=request.remote, outcome="begun")
        return web.json_response({"started": self._tally.rehearsal.started})

    async def _end(self, request: web.Request) -> web.Response:
        if refusal := self._refused(request):
            return refusal
        if self._tally.rehearsal is None:
            return _error(409, "No rehearsal is under way.", "Begin one: POST /rehearsal/begin")
        record, self._tally.rehearsal = self._tally.rehearsal, None
        self._exchange.rehearsing = self._mode is Mode.REHEARSAL
        log_access("rehearsal", client=request.remote, outcome="ended", hits=record.hits, misses=record.misses)
        return web.json_response(await self._report(record))

    def _refused(self, request: web.Request) -> web.Response | None:
        reason = self._admission.refusal_of_command(request.remote or "", request.headers)
        return _error(403, reason, "") if reason else None

    async def _report(self, record: Record) -> dict[str, object]:
        await self._names.settled()
        begun = record is not self._tally.since_start and self._mode is Mode.ONLINE
        mode = Mode.REHEARSAL if begun else self._mode
        entries = await asyncio.to_thread(self._entries, record)
        return {
            "mode": mode.value,
            "ended": time.time(),
            **record.snapshot(self._upstream.connections_tried),
            "versions": {"drydock": version("drydock-proxy"), "mitmproxy": version("mitmproxy")},
            # what a lock needs so that each miss is a hit the next time, as the text of a lock
            "entries": render_lock(entries),
        }

    def _entries(self, record: Record) -> Lock:
        clients: dict[str, set[str]] = {}
        for miss in record.missed:
            # addresses change from run to run, and a lock must not
            clients.setdefault(miss.url, set()).update(filter(None, [miss.service]))
        assets = []
        for url, names in clients.items():
            stored = self._store.index.get(url, lambda _: "")
            if stored is not None and not stored.vary and stored.status == 200:
                blob, workers = stored.blob, tuple(sorted(names))
                assets.append(LockedAsset(url, blob.digest, blob.size, asset_kind(url), workers, REHEARSED))
        pages = used_pages(self._store, self._policy, record.started) if clients else []
        return Lock.of(assets, (page for page in pages if page.url in clients))


def _error(status: int, reason: str, mend: str) -> web.Response:
    return web.json_response({"error": reason, "mend": mend}, status=status)
