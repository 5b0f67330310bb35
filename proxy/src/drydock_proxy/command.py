"""`drydock proxy`: run the proxy in the foreground, say where it listens, stop cleanly on SIGINT and SIGTERM."""

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from drydock_cache import terminal
from drydock_cache.configuration import load_policy, upstream_settings
from drydock_cache.egress import Mode
from drydock_cache.options import ConfigOption, ModeOption, ResolveOption, StoreOption, UpstreamCaOption

from drydock_proxy.journal import start_journal
from drydock_proxy.listener import Listener

if TYPE_CHECKING:
    from drydock_proxy.service import ServiceSettings


def proxy(
    store: StoreOption = Path("store"),
    state: Annotated[
        Path, typer.Option(envvar="DRYDOCK_STATE", help="Folder of the CA's key; nobody else may read it.")
    ] = Path("state"),
    config: ConfigOption = Path("drydock.toml"),
    mode: ModeOption = Mode.ONLINE,
    listen: Annotated[
        str, typer.Option(envvar="DRYDOCK_LISTEN", help="Where clients that know proxies connect (HTTPS_PROXY).")
    ] = "127.0.0.1:3128",
    tls_listen: Annotated[
        str, typer.Option(envvar="DRYDOCK_TLS_LISTEN", help="Where clients connect whose names lead here (443 in a container).")
    ] = "127.0.0.1:8443",
    status_listen: Annotated[
        str, typer.Option(envvar="DRYDOCK_STATUS_LISTEN", help="Where /healthz, /stats and /ca.pem are served.")
    ] = "127.0.0.1:8080",
    dns_listen: Annotated[
        str, typer.Option(envvar="DRYDOCK_DNS_LISTEN", help="Where names are answered for a sealed network; off when empty.")
    ] = "",
    dns_answer: Annotated[str, typer.Option(envvar="DRYDOCK_DNS_ANSWER", help="The proxy's own address on that network.")] = "",
    resolve: ResolveOption = None,
    upstream_ca: UpstreamCaOption = None,
    export_ca: Annotated[
        Path | None, typer.Option(envvar="DRYDOCK_EXPORT_CA", help="Also write the CA's certificate to this file.")
    ] = None,
) -> None:
    """Run the caching proxy in the foreground."""
    # here, because importing mitmproxy takes most of a second that no other command should wait for
    from drydock_proxy.service import ServiceSettings

    policy, notes = load_policy(config, os.environ)
    for note in notes:
        terminal.say(f"note: {note}")
    settings = ServiceSettings(
        policy=policy,
        upstream=upstream_settings(policy, os.environ, mode, resolve or (), upstream_ca or ()),
        store=store,
        state=state,
        proxy=Listener.parse(listen, "--listen"),
        tls=Listener.parse(tls_listen, "--tls-listen"),
        status=Listener.parse(status_listen, "--status-listen"),
        dns=Listener.parse(dns_listen, "--dns-listen") if dns_listen else None,
        dns_answer=dns_answer,
        export_ca=export_ca,
    )
    start_journal()
    asyncio.run(_run(settings))


async def _run(settings: "ServiceSettings") -> None:
    from drydock_proxy.service import running

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stop.set)
    async with running(settings) as service:
        terminal.say(f"drydock proxy ({settings.upstream.mode}) is ready")
        terminal.say(f"  proxy   http://{service.proxy}")
        terminal.say(f"  tls     {service.tls}")
        terminal.say(f"  status  http://{service.status}")
        terminal.say(f"  CA      {settings.state / 'ca.pem'}")
        await stop.wait()
        terminal.say("drydock proxy is stopping")
