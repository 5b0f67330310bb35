"""Walks the way to a host as the proxy walks it, stage by stage, and writes down where it ended: the probe behind most findings."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Sequence
from dataclasses import replace

import httpcore

from drydock_cache import trust
from drydock_cache.doctor.chains import Certificate, Chain, read_chain, shown_by
from drydock_cache.doctor.seen import Answer, HostSeen, Stage, Target, Trouble, reason_of, trouble_of
from drydock_cache.doctor.segments import largest_mtu
from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.name_lookup import look_up
from drydock_cache.tls_stream import TlsStream
from drydock_cache.upstream import Upstream

NAME_SECONDS = 4.0
CONNECT_SECONDS = 5.0
TLS_SECONDS = 5.0
ANSWER_SECONDS = 7.0
PLAIN_SECONDS = 4.0
BEGINNING = 2048  # bytes of a body that are looked at
_FAILURES = {
    UpstreamFailure.PROXY_AUTH: Trouble.LOGIN,
    UpstreamFailure.PROXY_REFUSED: Trouble.PROXY_SAID_NO,
    UpstreamFailure.FORBIDDEN_ADDRESS: Trouble.FORBIDDEN,
}


class Ways:
    """Asks hosts by the upstream client that the proxy has, too; `company` are the certificates of the company's files."""

    def __init__(self, upstream: Upstream, company: Sequence[Certificate]) -> None:
        self._upstream = upstream
        self._trust = trust.trust_context(upstream.settings.ca_files)
        self._company = frozenset((one.full_subject, one.subject_key) for one in company)

    async def walk(self, target: Target) -> HostSeen:
        """Go as far as the way leads."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                hop = (await self._upstream.hops("https", target.host, target.port))[0]
        except (UpstreamError, TimeoutError) as error:
            return replace(_ended(HostSeen(target, Stage.ROUTE), Stage.ROUTE, error), trouble=Trouble.PAC)
        seen = HostSeen(target, Stage.NAME, by=hop.url if hop else None)
        if hop is None and target.host not in self._upstream.settings.resolve:
            seen = await self._name(seen)
        if seen.trouble is Trouble.NONE:
            seen = await self._connect(seen)
        return await self._ask(seen) if seen.trouble is Trouble.NONE else seen

    async def plain(self, host: str) -> Answer | None:
        """Ask `host` for its front page without TLS, where portals and clocks show; None when nothing answers."""
        with contextlib.suppress(UpstreamError, TimeoutError):
            async with asyncio.timeout(PLAIN_SECONDS):
                return await self._answer("GET", f"http://{host}/")
        return None

    async def _name(self, seen: HostSeen) -> HostSeen:
        try:
            async with asyncio.timeout(NAME_SECONDS):
                found = await look_up(seen.target.host)
        except (UpstreamError, TimeoutError) as error:
            return _ended(seen, Stage.NAME, error)
        return replace(seen, addresses=tuple(found))

    async def _connect(self, seen: HostSeen) -> HostSeen:
        try:
            stream = await self._tunnel(seen.target)
        except (UpstreamError, TimeoutError) as error:
            return _ended(seen, Stage.CONNECT, error)
        try:
            tls = await TlsStream.begin(stream, self._trust, seen.target.host, TLS_SECONDS)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            ended = _ended(seen, Stage.TLS, error)
            if ended.trouble is Trouble.UNTRUSTED:
                return replace(ended, chain=await self._shown(seen.target, error))
            if ended.trouble is Trouble.SILENCE:
                return replace(ended, largest=await largest_mtu(self._upstream, seen.target))
            return ended
        finally:
            await stream.aclose()
        chain = read_chain(shown_by(tls.get_extra_info("ssl_object"), verified=True))
        company = any((one.full_subject, one.subject_key) in self._company for one in chain)
        return replace(seen, stage=Stage.TLS, chain=Chain(chain, company=company))

    async def _ask(self, seen: HostSeen) -> HostSeen:
        # what is locked is there, and its head is enough; what lies nowhere has a short answer
        method = "HEAD" if seen.target.size is not None or seen.target.tunnelled else "GET"
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._answer(method, seen.target.url)
        except (UpstreamError, TimeoutError) as error:
            return _ended(seen, Stage.ANSWER, error)
        return replace(seen, stage=Stage.DONE, answer=answer)

    async def _answer(self, method: str, url: str) -> Answer:
        async with self._upstream.request(method, url, [("accept", "*/*"), ("accept-encoding", "identity")]) as response:
            headers = tuple((name.lower(), value) for name, value in response.headers.items())
            beginning = b""
            async for chunk in response.aiter_raw():
                beginning += chunk
                if len(beginning) >= BEGINNING:
                    break
            return Answer(response.status_code, headers, beginning[:BEGINNING], time.time())

    async def _tunnel(self, target: Target) -> httpcore.AsyncNetworkStream:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await self._upstream.tunnel(target.host, target.port)

    async def _shown(self, target: Target, error: Exception) -> Chain:
        """Return the chain that did not verify: read in a handshake that believes everybody, on which nothing is ever sent."""
        code = next((cause.verify_code for cause in _verifications(error)), -1)
        believing = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        believing.check_hostname, believing.verify_mode = False, ssl.CERT_NONE
        try:
            stream = await self._tunnel(target)
            try:
                tls = await TlsStream.begin(stream, believing, target.host, TLS_SECONDS)
                return Chain(read_chain(shown_by(tls.get_extra_info("ssl_object"), verified=False)), code)
            finally:
                await stream.aclose()
        except (UpstreamError, TimeoutError, httpcore.NetworkError, httpcore.TimeoutException):
            return Chain((), code)


def _verifications(error: BaseException | None) -> list[ssl.SSLCertVerificationError]:
    found = []
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _ended(seen: HostSeen, stage: Stage, error: Exception) -> HostSeen:
    if isinstance(error, UpstreamError):
        trouble = _FAILURES.get(error.failure) or trouble_of(error)
        if error.failure is UpstreamFailure.TIMEOUT or "did not answer within" in error.message:
            trouble = Trouble.SILENCE
        if error.failure is UpstreamFailure.TRUNCATED:
            trouble = Trouble.RESET
        return replace(seen, stage=stage, trouble=trouble, said=reason_of(error) or error.message)
    return replace(seen, stage=stage, trouble=trouble_of(error), said=reason_of(error) or str(error) or "nothing came in time")
