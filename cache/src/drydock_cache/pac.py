"""PAC: which hops the company's own script names for a host, with the script read from a file or a URL and kept up to date."""

import asyncio
import codecs
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from drydock_cache.corporate import CorporateProxy, Hop, Hops
from drydock_cache.errors import ConfigError, UpstreamError, UpstreamFailure, mask_credentials
from drydock_cache.file_stamp import FileStamp, file_stamp
from drydock_cache.pac_process import PacProcess

_log = logging.getLogger(__name__)

_MAX_SIZE = 1 << 20
_FETCH_AGAIN_SECONDS = 1800.0
_RETRY_SECONDS = 30.0
_ANSWER_SECONDS = 60.0
_MAX_ANSWERS = 1000
_DIRECT = "DIRECT"

type Download = Callable[[str, int], Awaitable[bytes]]


def is_url(place: str) -> bool:
    """Say whether a PAC script is named by URL; otherwise by the path of a file."""
    return place.lower().startswith(("http://", "https://"))


class Pac:
    """Answers from one PAC script; `download` fetches a URL of at most so many bytes, or raises UpstreamError."""

    def __init__(self, place: str, download: Download) -> None:
        self._place = place
        self._download = download
        self._process: PacProcess | None = None
        self._text = ""
        self._stamp: FileStamp | None = None
        self._look_again_at = 0.0
        self._failure: UpstreamError | None = None
        self._renewing = asyncio.Lock()
        self._behind: asyncio.Task[None] | None = None
        self._answers: dict[tuple[str, str, int], tuple[float, Hops]] = {}

    @property
    def shown(self) -> str:
        """The script's place, for errors."""
        return mask_credentials(self._place)

    async def hops(self, scheme: str, host: str, port: int) -> Hops:
        """Return the hops that the script names for a connection; raise UpstreamError when it names none that can be used."""
        process = await self._current()
        key, now = (scheme, host, port), time.monotonic()
        known = self._answers.get(key)
        if known is not None and now < known[0]:
            return known[1]
        usual = 443 if scheme == "https" else 80
        name = f"[{host}]" if ":" in host else host
        # without path and query, as browsers do it: they may hold what the script must not learn
        found = usable(await process.find(f"{scheme}://{name}{'' if port == usual else f':{port}'}/", host))
        if not found:
            raise UpstreamError(
                UpstreamFailure.PAC,
                f"The PAC script {self.shown} names only proxies for {host} that drydock cannot use; it knows PROXY, HTTP, HTTPS "
                "and DIRECT.",
                "Give that host a route of its own under [upstream.routes] in drydock.toml.",
            )
        if len(self._answers) >= _MAX_ANSWERS:
            self._answers.clear()
        self._answers[key] = (now + _ANSWER_SECONDS, found)
        return found

    async def aclose(self) -> None:
        """End what runs the script."""
        if self._behind is not None:
            self._behind.cancel()
            await asyncio.gather(self._behind, return_exceptions=True)
        if self._process is not None:
            await self._process.aclose()

    async def _current(self) -> PacProcess:
        """Return what runs the present script. An old one serves while it is fetched anew, and while its host is away."""
        if not is_url(self._place) or self._process is None:
            async with self._renewing:
                await self._renew()
        elif time.monotonic() >= self._look_again_at and (self._behind is None or self._behind.done()):
            self._behind = asyncio.create_task(self._renew(), name="fetch the PAC script again")
        if self._process is None:
            assert self._failure is not None
            raise self._failure
        return self._process

    async def _renew(self) -> None:
        if is_url(self._place):
            if time.monotonic() < self._look_again_at:
                return
            self._look_again_at = time.monotonic() + _RETRY_SECONDS
        try:
            data = await self._read()
        except UpstreamError as error:
            self._failure = error
            if self._process is not None:
                _log.warning("%s The script that was read before is used.", error)
            return
        if data is None:
            return
        self._look_again_at = time.monotonic() + _FETCH_AGAIN_SECONDS
        text = _decoded(data)
        if text != self._text or self._process is None:
            before, self._process = self._process, PacProcess(text, self.shown)
            self._text = text
            self._answers.clear()
            if before is not None:
                await before.aclose()

    async def _read(self) -> bytes | None:
        """Return the script, or None for a file that did not change."""
        if is_url(self._place):
            return await self._download(self._place, _MAX_SIZE)
        return self._read_file(Path(self._place))

    def _read_file(self, path: Path) -> bytes | None:
        try:
            stamp = file_stamp(path)
            if stamp == self._stamp:
                return None
            data = path.read_bytes()
        except OSError as error:
            raise UpstreamError(
                UpstreamFailure.PAC, f"The PAC script {self._place} cannot be read: {error.strerror}.", "Correct DRYDOCK_PAC."
            ) from None
        self._stamp = stamp
        return data


def usable(found: list[str]) -> Hops:
    """Return the hops that drydock can take, of what a script named: "DIRECT" and URLs of proxies, in order."""
    hops: list[Hop] = []
    for text in found:
        if text == _DIRECT:
            hops.append(None)
            continue
        try:
            hops.append(CorporateProxy.parse(text, "DRYDOCK_PAC"))
        except ConfigError:  # SOCKS, and what is no address at all
            continue
    return tuple(dict.fromkeys(hops))


def _decoded(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
