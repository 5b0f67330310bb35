"""The proxy as one running thing: its listeners, the origin, the relay and the status server, started and stopped together."""

import drydock_proxy.lean_imports  # noqa: F401, I001 - before everything that imports what it keeps small

import asyncio
import contextlib
import ipaddress
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from drydock_cache.errors import ConfigError, StoreError
from drydock_cache.exchange import Exchange
from drydock_cache.following import LockConflictError, follow
from drydock_cache.lockfile import Locks
from drydock_cache.policy import Policy
from drydock_cache.store import Store
from drydock_cache.upstream import Upstream
from drydock_cache.upstream_settings import UpstreamSettings

from drydock_proxy.addons.admit_clients import AdmitClients
from drydock_proxy.addons.answer_names import AnswerNames
from drydock_proxy.addons.hand_over import HandOver
from drydock_proxy.addons.limit_idle import LimitIdle
from drydock_proxy.addons.route import Route
from drydock_proxy.addons.serve_leaf import ServeLeaf
from drydock_proxy.addons.share_out import ShareOut
from drydock_proxy.admission import Admission
from drydock_proxy.authority import Authority
from drydock_proxy.front.opening import OpenFront
from drydock_proxy.interception import Interception, port_error
from drydock_proxy.listener import Listener
from drydock_proxy.origin import Origin
from drydock_proxy.rehearsals import Rehearsals
from drydock_proxy.relay import Relay
from drydock_proxy.status import StatusServer
from drydock_proxy.tally import Tally

_log = logging.getLogger(__name__)

_FLUSH_SECONDS = 30.0
_WATCH_SECONDS = 5.0
_DAY_SECONDS = 86400.0


@dataclass(frozen=True)
class ServiceSettings:
    """Everything that the proxy is told at its start.

    `dns` is the listener of the sealed network's resolver, which answers with `dns_answer`; both are unset without Docker.
    """

    policy: Policy
    upstream: UpstreamSettings
    store: Path
    state: Path
    proxy: Listener
    tls: Listener
    status: Listener
    dns: Listener | None = None
    dns_answer: str = ""
    export_ca: Path | None = None
    locks: Locks = field(default_factory=Locks)
    admission: Admission = field(default_factory=Admission)
    status_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Service:
    """A running proxy: the addresses as they were really taken; `dns` is unset where no names are answered."""

    proxy: Listener
    tls: Listener
    status: Listener
    dns: Listener | None


@contextlib.asynccontextmanager
async def running(settings: ServiceSettings) -> AsyncIterator[Service]:
    """Run the proxy inside the context; raise ConfigError or StoreError for what keeps it from starting."""
    async with AsyncExitStack() as stack:
        # first what may be wrong in the settings: nothing is made on disk for a proxy that cannot start
        dns_answer = _numeric(settings.dns_answer) if settings.dns else ""
        upstream = Upstream(settings.upstream, settings.store)
        stack.push_async_callback(upstream.aclose)
        store = _open_store(settings.store)
        stack.callback(store.close)
        _follow(store, settings.locks)
        authority = Authority.open(settings.state, settings.policy.intercepted_hosts, time.time())
        if settings.export_ca:
            authority.export(settings.export_ca)
        if authority.notice:
            _log.warning("%s", authority.notice)
        tally = Tally()
        exchange = Exchange(store, upstream, settings.policy)
        stack.push_async_callback(exchange.fetcher.aclose)
        origin, relay = Origin(exchange, tally), Relay(upstream, tally)
        await origin.start()
        stack.push_async_callback(origin.stop)
        await relay.start()
        stack.push_async_callback(relay.stop)
        interception = Interception(settings.dns)
        admit, limit_idle = AdmitClients(settings.admission), LimitIdle(interception.drop)
        interception.add(
            admit,
            ShareOut(limit_idle.drop_longest),
            ServeLeaf(authority),
            Route(settings.policy, relay, tally),
            HandOver(origin, relay),
            limit_idle,
        )
        if settings.dns:
            interception.add(AnswerNames(settings.policy, dns_answer, tally, interception.forget_questions))
        stack.push_async_callback(interception.stop)
        await interception.start()
        front = OpenFront(settings.tls, settings.proxy)
        stack.push_async_callback(front.stop)
        front.start(settings.policy, authority, exchange, store, origin, tally, admit.admits, interception)
        admission = settings.admission
        rehearsals = Rehearsals(exchange, store, upstream, settings.policy, tally, admission)
        status = StatusServer(
            store, upstream, authority, tally, front.is_listening, admission, rehearsals.routes(), settings.status_names
        )
        stack.push_async_callback(status.stop)
        try:
            await status.start(settings.status.host, settings.status.port)
        except OSError as error:
            raise port_error(settings.status, "--status-listen", error) from error
        flusher = asyncio.create_task(_flush(store), name="flush times of last use")
        stack.callback(flusher.cancel)
        watcher = asyncio.create_task(_watch(authority), name="watch the CA")
        stack.callback(watcher.cancel)
        yield Service(front.proxy, front.tls, Listener(*status.address), interception.dns)


def _follow(store: Store, locks: Locks) -> None:
    """Bind what is served to the locks; one that contradicts what was followed so far is reported, and not followed."""
    try:
        if locks.files:
            follow(store, locks)
    except (LockConflictError, StoreError) as error:
        _log.error("%s Until then the locks that were followed before hold.", error)


def _open_store(root: Path) -> Store:
    """Open the store; one that is there but cannot be written serves what it has."""
    try:
        return Store.open(root)
    except StoreError as error:
        try:
            store = Store.open_read_only(root)
        except StoreError:
            raise error from None
        _log.error("%s Until then what is stored is served, and what is not stored passes through.", error)
        return store


def _numeric(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise ConfigError(
            f"--dns-answer {text!r} is no IPv4 address.", "Give the proxy's own address on the network of the Workers."
        ) from None


async def _flush(store: Store) -> None:
    while True:
        await asyncio.sleep(_FLUSH_SECONDS)
        with contextlib.suppress(StoreError):  # a store that cannot be written loses times of use, nothing else
            await asyncio.to_thread(store.index.flush)


async def _watch(authority: Authority) -> None:
    """Take up a CA that was rotated, and say that it ends: at the start, when that changes, and once a day."""
    said, when = "", 0.0
    while True:
        sentence, now = authority.warning(time.time()), time.monotonic()
        if sentence and (sentence != said or now - when >= _DAY_SECONDS):
            _log.warning("%s", sentence)
            when = now
        said = sentence
        await asyncio.sleep(_WATCH_SECONDS)
