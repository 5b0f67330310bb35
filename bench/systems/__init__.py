"""The systems side by side: one module each, with a function that starts it."""

from collections.abc import Callable

from bench.place import Place, Running
from bench.systems import mitm_hook, nginx_cache, nginx_static, ours, squid_bump

OURS, STATIC, CACHE, SQUID, MITM = "drydock", "nginx static", "nginx proxy_cache", "squid ssl-bump", "mitmproxy addon"
MANY = "drydock, 100,000 entries"
DIRECT = "direct"

STARTING: dict[str, Callable[[Place, str], Running]] = {
    OURS: ours.start,
    STATIC: nginx_static.start,
    CACHE: nginx_cache.start,
    SQUID: squid_bump.start,
    MITM: mitm_hook.start,
    MANY: ours.start_with_many,
    DIRECT: lambda place, _: place.origin,
}
