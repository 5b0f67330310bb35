"""The proxy as one running thing: its listeners, the origin, the relay and the status server, started and stopped together."""

import asyncio
import contextlib
import ipaddress
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from drydock_cache.egress import UpstreamSettings
from drydock_cache.errors import ConfigError
from drydock_cache.exchange import Exchange
from drydock_cache.policy import Policy
from drydock_cache.store import Store
from drydock_cache.upstream import Upstream
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.exceptions import OptionsError
from mitmproxy.master import Master
from mitmproxy.options import Options

from drydock_proxy.addons.answer_names import AnswerNames
from drydock_proxy.addons.hand_over import HandOver
from drydock_proxy.addons.route import Route
from drydock_proxy.addons.serve_leaf import ServeLeaf
from drydock_proxy.authority import Authority
from drydock_proxy.listener import Listener
from drydock_proxy.origin import Origin
from drydock_proxy.relay import Relay
from drydock_proxy.status import StatusServer
from drydock_proxy.tally import Tally

_log = logging.getLogger(__name__)

_FLUSH_SECONDS = 30.0


class _Started(asyncio.Event):
    """An addon that is set once mitmproxy has tried to open its ports."""

    def running(self) -> None:
        self.set()


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


@dataclass
class Service:
    """A running proxy; the addresses are (host, port) as they were really taken."""

    settings: ServiceSettings
    tally: Tally
    upstream: Upstream
    authority: Authority
    proxy: Listener
    tls: Listener
    status: Listener


@contextlib.asynccontextmanager
async def running(settings: ServiceSettings) -> AsyncIterator[Service]:
    """Run the proxy inside the context; raise ConfigError or StoreError for what keeps it from starting."""
    async with AsyncExitStack() as stack:
        store = Store.open(settings.store)
        stack.callback(store.close)
        authority = Authority.open(settings.state, settings.policy.intercepted_hosts, time.time())
        if settings.export_ca:
            authority.export(settings.export_ca)
        for sentence in filter(None, (authority.notice, authority.warning(time.time()))):
            _log.warning("%s", sentence)
        upstream = Upstream(settings.upstream)
        stack.push_async_callback(upstream.aclose)
        tally = Tally()
        exchange = Exchange(store, upstream, settings.policy)
        stack.push_async_callback(exchange.fetcher.aclose)
        origin, relay = Origin(exchange, tally), Relay(upstream, tally)
        await origin.start()
        stack.push_async_callback(origin.stop)
        await relay.start()
        stack.push_async_callback(relay.stop)
        proxies = await _listen(settings, authority, origin, relay, tally, stack)
        status = StatusServer(store, upstream, authority, tally, lambda: all(server.is_running for server in proxies.servers))
        stack.push_async_callback(status.stop)
        await _or_port_error(status.start(settings.status.host, settings.status.port), settings.status, "--status-listen")
        flusher = asyncio.create_task(_flush(store), name="flush times of last use")
        stack.callback(flusher.cancel)
        found = {server.mode.type_name: server.listen_addrs[0] for server in proxies.servers}
        yield Service(
            settings,
            tally,
            upstream,
            authority,
            proxy=Listener(*found["regular"][:2]),
            tls=Listener(*found["reverse"][:2]),
            status=Listener(*status.address),
        )


async def _listen(
    settings: ServiceSettings, authority: Authority, origin: Origin, relay: Relay, tally: Tally, stack: AsyncExitStack
) -> Proxyserver:
    """Start mitmproxy with the few addons that are needed, and see that each of its ports is really open."""
    # `.invalid` (RFC 2606): the addons name every server themselves; were one missed, nothing would be found under this name
    wanted = [("reverse:https://refused.invalid:443", settings.tls, "--tls-listen"), ("regular", settings.proxy, "--listen")]
    if settings.dns:
        wanted.append(("dns", settings.dns, "--dns-listen"))
    modes: dict[str, tuple[Listener, str]] = {}
    for mode, listener, option in wanted:
        modes[f"{mode}@{listener.concrete()}"] = listener, option
    master = Master(Options())
    proxies = Proxyserver()
    started = _Started()
    master.addons.add(proxies, started, ServeLeaf(authority), Route(settings.policy, relay, tally), HandOver(origin, relay))
    if settings.dns:
        master.addons.add(AnswerNames(settings.policy, _numeric(settings.dns_answer), tally))
    try:
        master.options.update(
            mode=list(modes),
            connection_strategy="lazy",
            upstream_cert=False,
            http2=False,
            http3=False,
            keep_host_header=True,
            websocket=False,
            rawtcp=False,
        )
    except OptionsError as error:
        raise ConfigError(f"The proxy cannot listen like that: {error}.", "Give each listener a port of its own.") from None
    task = asyncio.create_task(master.run(), name="mitmproxy")

    async def stop() -> None:
        master.shutdown()
        await task
        for server in proxies.servers:
            await server.stop()

    stack.push_async_callback(stop)
    await asyncio.wait({asyncio.ensure_future(started.wait()), task}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    for server in proxies.servers:
        if server.last_exception is not None:
            listener, option = modes[server.mode.full_spec]
            raise _port_error(listener, option, server.last_exception)
    return proxies


def _numeric(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise ConfigError(
            f"--dns-answer {text!r} is no IPv4 address.", "Give the proxy's own address on the network of the Workers."
        ) from None


async def _or_port_error(starting: "asyncio.Future[None] | object", listener: Listener, option: str) -> None:
    try:
        await starting  # type: ignore[misc]
    except OSError as error:
        raise _port_error(listener, option, error) from error


def _port_error(listener: Listener, option: str, error: BaseException) -> ConfigError:
    reason = getattr(error, "strerror", None) or str(error)
    return ConfigError(
        f"{listener} cannot be listened on: {str(reason).splitlines()[0]}.",
        f"See what uses it with ss -ltnp 'sport = :{listener.port}', or choose another one with {option} ADDRESS:PORT.",
    )


async def _flush(store: Store) -> None:
    while True:
        await asyncio.sleep(_FLUSH_SECONDS)
        with contextlib.suppress(Exception):
            await asyncio.to_thread(store.index.flush)
