"""Ways out: the hops of a connection as they are at this moment, with logins, and with proxies that were away put last."""

import time
from pathlib import Path

from drydock_cache.corporate import CorporateProxy, Hop, Hops
from drydock_cache.errors import UpstreamError
from drydock_cache.pac import Download, Pac
from drydock_cache.proxy_logins import ProxyLogins
from drydock_cache.routes import AskPac, ProxyRoutes

_AWAY_SECONDS = 60.0


class WaysOut:
    """Chooses hops: `routes` as configured, the PAC script where there is one, logins from `credentials`.

    With an `authenticator`, it takes the place of each proxy that the variables or the script name, and logs in there itself.
    """

    def __init__(
        self, routes: ProxyRoutes, credentials: Path | None, authenticator: CorporateProxy | None, download: Download
    ) -> None:
        self._routes = routes
        self._logins = ProxyLogins(credentials)
        self._authenticator = authenticator
        self._pac = Pac(routes.pac, download) if routes.pac else None
        self._away_until: dict[CorporateProxy, float] = {}

    async def hops(self, scheme: str, host: str, port: int) -> Hops:
        """Return the hops to try in order, at least one; raise UpstreamError when a PAC script does not say."""
        chosen = self._routes.choose(scheme, host, port)
        by_user = True
        if isinstance(chosen, AskPac):
            assert self._pac is not None
            try:
                chosen = await self._pac.hops(scheme, host, port)
                by_user = not self._routes.pac.lower().startswith("http://")
            except UpstreamError:
                chosen = self._routes.from_variables(scheme)
                if chosen == (None,):
                    raise
        by_table = self._routes.from_table(host, port) is not None
        return self._in_order(tuple(dict.fromkeys(self._as_used(hop, by_user=by_user, by_table=by_table) for hop in chosen)))

    def note_away(self, proxy: CorporateProxy) -> None:
        """Try this proxy last for a while: it did not answer."""
        self._away_until[proxy] = time.monotonic() + _AWAY_SECONDS

    async def aclose(self) -> None:
        """End what runs a PAC script."""
        if self._pac is not None:
            await self._pac.aclose()

    def _as_used(self, hop: Hop, *, by_user: bool, by_table: bool) -> Hop:
        if hop is None:
            return None
        if self._authenticator is not None and not by_table:
            hop = self._authenticator
        return self._logins.give(hop, named_by_user=by_user)

    def _in_order(self, hops: Hops) -> Hops:
        now = time.monotonic()
        return tuple(sorted(hops, key=lambda hop: hop is not None and self._away_until.get(hop, 0.0) > now))
