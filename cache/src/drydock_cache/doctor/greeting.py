"""Asks a corporate proxy which logins it offers: CONNECT without one, which no account can be locked by."""

import asyncio
import re

import httpcore

from drydock_cache import trust
from drydock_cache.corporate import CorporateProxy
from drydock_cache.doctor.accounts import ProxySeen
from drydock_cache.doctor.seen import Target, reason_of, trouble_of
from drydock_cache.egress import ConnectionCount, Egress
from drydock_cache.errors import UpstreamError
from drydock_cache.proxy_account import login_remedy
from drydock_cache.upstream_errors import without_ticket
from drydock_cache.upstream_settings import UpstreamSettings

_SECONDS = 5.0
_SCHEME = re.compile(r"(?:^|,)\s*([A-Za-z][\w-]*)(?=\s|,|$)")


async def greet(settings: UpstreamSettings, proxy: CorporateProxy, target: Target) -> ProxySeen:
    """Ask for a tunnel to the target without a login, and close it."""
    context = trust.trust_context(settings.ca_files)
    way = Egress(settings, ConnectionCount(), proxy)
    pool = httpcore.AsyncConnectionPool(ssl_context=context, network_backend=way)
    given = proxy.account is not None
    authority = f"{target.host}:{target.port}".encode()
    request = httpcore.Request("CONNECT", proxy.url, headers=[(b"Host", authority)], extensions={"target": authority})
    try:
        async with asyncio.timeout(_SECONDS):
            # by itself first: the pool takes away what is behind an error
            await (await way.connect_tcp(proxy.host, proxy.port, _SECONDS)).aclose()
            response = await pool.handle_async_request(request)
            await response.aclose()
    except (UpstreamError, TimeoutError, httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
        told = error.message if isinstance(error, UpstreamError) else str(error)
        why = reason_of(error) or told or "nothing came in time"
        return ProxySeen(proxy.url, trouble_of(error), f"{proxy.url}: {why}", given=given)
    finally:
        await pool.aclose()
    headers = [(name.lower(), value.decode("latin-1")) for name, value in response.headers]
    offered = [scheme for name, value in headers if name == b"proxy-authenticate" for scheme in schemes(value)]
    date = next((value for name, value in headers if name == b"date"), "")
    phrase = response.extensions.get("reason_phrase", b"").decode("latin-1")
    unable = without_ticket(f"{response.status} {phrase}") if proxy.authenticator else None
    return ProxySeen(
        proxy.url,
        said=unable.message if unable else "",
        status=response.status,
        offered=tuple(dict.fromkeys(offered)),
        given=given,
        date=date,
        mend=unable.remedy if unable else login_remedy(proxy),
        authenticator=proxy.authenticator,
    )


def schemes(header: str) -> list[str]:
    """List the schemes of a Proxy-Authenticate field (RFC 9110 §11.7.1), whose parameters are `name=value`."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', header)
    return [name for name in _SCHEME.findall(bare) if name.lower() != "realm"]
