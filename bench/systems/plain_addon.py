"""The addon for mitmproxy that the simplest cache would be; runs inside mitmdump."""

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy import server_hooks


class Keep:
    """Keeps each response in memory and answers the next request for its path with it."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, str]] = {}

    def load(self, loader: Loader) -> None:
        """Add the option."""
        loader.add_option("bench_origin_port", int, 443, "Where the origin listens on 127.0.0.1.")

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Lead the host's name to the origin."""
        data.server.address = ("127.0.0.1", ctx.options.bench_origin_port)

    def request(self, flow: http.HTTPFlow) -> None:
        """Answer what is kept."""
        kept = self._kept.get(flow.request.path)
        if kept is not None:
            content, kind = kept
            flow.response = http.Response.make(200, content, {"Content-Type": kind})

    def response(self, flow: http.HTTPFlow) -> None:
        """Keep what came."""
        answer = flow.response
        if answer is not None and answer.status_code == 200 and answer.raw_content is not None:
            kind = answer.headers.get("Content-Type", "application/octet-stream")
            self._kept.setdefault(flow.request.path, (answer.raw_content, kind))


addons = [Keep()]
