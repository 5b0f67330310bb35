"""Tries a handshake in small packets: where it goes through and one in large packets does not, the path loses large ones."""

import asyncio
import contextlib
import socket
import ssl

from drydock_cache.corporate import CorporateProxy
from drydock_cache.doctor.seen import Target
from drydock_cache.errors import UpstreamError
from drydock_cache.name_lookup import look_up
from drydock_cache.upstream import Upstream

# Ethernet in a tunnel: VXLAN, WireGuard, IPsec, the smallest that IPv6 allows, and a last resort.
MTUS = (1450, 1420, 1400, 1360, 1280, 1000)
_HEADERS = 40  # bytes of IPv4 and TCP in each packet
_SECONDS = 4.0


async def largest_mtu(upstream: Upstream, target: Target) -> int | None:
    """Return the largest of MTUS by which a handshake with the target goes through; None where none does.

    The segment size that a connection announces bounds the packets of both sides.
    """
    try:
        proxy = (await upstream.hops("https", target.host, target.port))[0]
    except UpstreamError:
        return None
    host, port = (proxy.host, proxy.port) if proxy else upstream.settings.resolve.get(target.host, (target.host, target.port))
    try:
        address = (await look_up(host))[0]
    except UpstreamError:
        return None
    if not proxy and target.host not in upstream.settings.resolve and upstream.settings.refusal(target.host, address):
        return None
    tries = [_shakes_hands(address, port, mtu, target, proxy) for mtu in MTUS]
    went = await asyncio.gather(*tries)
    return next((mtu for mtu, through in zip(MTUS, went, strict=True) if through), None)


async def _shakes_hands(address: str, port: int, mtu: int, target: Target, proxy: CorporateProxy | None) -> bool:
    believing = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the handshake's size is asked for, not its truth; nothing is sent
    believing.check_hostname, believing.verify_mode = False, ssl.CERT_NONE
    raw = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        raw.setblocking(False)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mtu - _HEADERS)
        async with asyncio.timeout(_SECONDS):
            await asyncio.get_running_loop().sock_connect(raw, (address, port))
            reader, writer = await asyncio.open_connection(sock=raw)
            try:
                if proxy and not await _tunnelled(reader, writer, target, proxy):
                    return False
                await writer.start_tls(believing, server_hostname=target.host)
                return True
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, EOFError, ValueError):
        return False
    finally:
        with contextlib.suppress(OSError):
            raw.close()


async def _tunnelled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Target, proxy: CorporateProxy) -> bool:
    login = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
    authority = f"{target.host}:{target.port}"
    writer.write(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{login}\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    return b" 200 " in head.partition(b"\r\n")[0]
