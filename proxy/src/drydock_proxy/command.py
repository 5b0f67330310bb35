"""`drydock proxy`: run the proxy in the foreground, say where it listens, stop cleanly on SIGINT and SIGTERM."""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from drydock_cache import terminal
from drydock_cache.configuration import load_policy, upstream_settings
from drydock_cache.mode import Mode
from drydock_cache.options import (
    ConfigOption,
    LockOption,
    ModeOption,
    ResolveOption,
    StoreOption,
    UpstreamCaOption,
    chosen_locks,
)

from drydock_proxy.admission import DEFAULT_NETWORKS, Admission, parse_networks, read_token
from drydock_proxy.journal import start_journal
from drydock_proxy.listener import Listener

if TYPE_CHECKING:
    from drydock_proxy.service import ServiceSettings

_DESCRIPTORS = 16384

StateOption = Annotated[Path, typer.Option(envvar="DRYDOCK_STATE", help="Folder of the CA's keys; nobody else may read it.")]
ExportCaOption = Annotated[
    Path | None, typer.Option(envvar="DRYDOCK_EXPORT_CA", help="Also write the CA's certificate to this file.")
]
AllowClientOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-client",
        envvar="DRYDOCK_ALLOW_CLIENTS",
        metavar="NETWORK",
        help="Serve clients of this network, and of no other but loopback; loopback and private networks by default.",
    ),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        envvar="DRYDOCK_TOKEN_FILE",
        metavar="FILE",
        help="Take commands at the status port from those who know the token in this file; else from this machine alone.",
    ),
]


def proxy(
    store: StoreOption = Path("store"),
    state: StateOption = Path("state"),
    config: ConfigOption = Path("drydock.toml"),
    lock: LockOption = None,
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
    status_name: Annotated[
        list[str] | None,
        typer.Option(
            "--status-name",
            envvar="DRYDOCK_STATUS_NAMES",
            metavar="NAME",
            help="A full name that the status port is reached by; it answers to addresses and short names in any case.",
        ),
    ] = None,
    dns_listen: Annotated[
        str, typer.Option(envvar="DRYDOCK_DNS_LISTEN", help="Where names are answered for a sealed network; off when empty.")
    ] = "",
    dns_answer: Annotated[str, typer.Option(envvar="DRYDOCK_DNS_ANSWER", help="The proxy's own address on that network.")] = "",
    resolve: ResolveOption = None,
    upstream_ca: UpstreamCaOption = None,
    allow_client: AllowClientOption = None,
    token_file: TokenFileOption = None,
    export_ca: ExportCaOption = None,
) -> None:
    """Run the caching proxy in the foreground."""
    proxy_port, tls_port = Listener.parse(listen, "--listen"), Listener.parse(tls_listen, "--tls-listen")
    status_port = Listener.parse(status_listen, "--status-listen")
    dns_port = Listener.parse(dns_listen, "--dns-listen") if dns_listen else None
    admission = Admission(parse_networks(allow_client or DEFAULT_NETWORKS), read_token(token_file))
    gc.disable()  # until everything is there: what is imported is no garbage
    # pip and npm are asked for their registries while mitmproxy is imported: each takes most of a second
    with ThreadPoolExecutor(1) as beside:
        loading = beside.submit(load_policy, config, os.environ)
        from drydock_proxy.service import ServiceSettings

        policy, notes = loading.result()
    for note in notes:
        terminal.say(f"note: {note}")
    settings = ServiceSettings(
        policy=policy,
        upstream=upstream_settings(policy, os.environ, mode, resolve or (), upstream_ca or ()),
        store=store,
        state=state,
        proxy=proxy_port,
        tls=tls_port,
        status=status_port,
        dns=dns_port,
        dns_answer=dns_answer,
        export_ca=export_ca,
        locks=chosen_locks(config, lock),
        admission=admission,
        status_names=tuple(status_name or ()),
    )
    start_journal()
    _raise_descriptor_limit()
    asyncio.run(_run(settings))
    end()


async def _run(settings: "ServiceSettings") -> None:
    from drydock_proxy.service import running

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stop.set)
    async with running(settings) as service:
        # what is there by now stays: a collection that looked at all of it would hold up every request for a tenth of a second
        gc.freeze()
        gc.enable()
        terminal.say(f"drydock proxy ({settings.upstream.mode}) is ready")
        terminal.say(f"  proxy   http://{service.proxy}")
        terminal.say(f"  tls     {service.tls}")
        terminal.say(f"  status  http://{service.status}")
        if service.dns:
            terminal.say(f"  dns     {service.dns}")
        terminal.say(f"  CA      {settings.state / 'ca.pem'}")
        await stop.wait()
        terminal.say("drydock proxy is stopping")


def _raise_descriptor_limit() -> None:
    """Take as many file descriptors as are allowed: many systems start processes with 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, _DESCRIPTORS) if hard != resource.RLIM_INFINITY else _DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def end(status: int = 0) -> NoReturn:
    """End the process at once, everything being closed: taking half a million objects apart would cost half a second.

    A thread of mitmproxy_rs that calls into an interpreter which is taken apart has ended in a segmentation fault, too.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)
