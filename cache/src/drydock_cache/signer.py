"""Who signed a certificate that is not trusted: asked with a connection on which nothing else is sent."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable

import httpcore

from drydock_cache.errors import UpstreamError
from drydock_cache.tls_stream import TlsStream

_SECONDS = 5.0
_KNOWN_SECONDS = 60.0
_MAX_LENGTH = 200

type Dial = Callable[[str, int], Awaitable[httpcore.AsyncNetworkStream]]


class Signers:
    """Says by whose name a host's certificate is signed; each host is asked once a minute at most."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._known: dict[tuple[str, int], tuple[float, str]] = {}

    async def name(self, host: str, port: int) -> str:
        """Return the issuer's name as RFC 4514 writes it; empty when it cannot be learnt."""
        known = self._known.get((host, port))
        if known is not None and time.monotonic() - known[0] < _KNOWN_SECONDS:
            return known[1]
        found = ""
        with contextlib.suppress(UpstreamError, httpcore.NetworkError, httpcore.TimeoutException, TimeoutError, ValueError):
            async with asyncio.timeout(_SECONDS):
                found = await self._ask(host, port)
        self._known[host, port] = (time.monotonic(), found)
        return found

    async def _ask(self, host: str, port: int) -> str:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the certificate is looked at, not believed
        stream = await self._dial(host, port)
        try:
            secured = await TlsStream.begin(stream, context, host, _SECONDS)
            certificate = secured.get_extra_info("ssl_object").getpeercert(binary_form=True)
        finally:
            await stream.aclose()
        # only now: what reads certificates costs a start of the proxy a tenth of a second
        from drydock_cache.doctor.chains import issuer_name

        issuer = issuer_name(certificate)
        return "".join(character for character in issuer if character.isprintable())[:_MAX_LENGTH]
