"""The internet container's control port, as tests use it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

# The machine's proxies have no part in this.
OPENER = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class Internet:
    """Speaks to the control port at 127.0.0.1:`port`."""

    port: int

    def log(self) -> dict[str, Any]:
        """Return what was seen since the last reset: connections, handshakes, requests, counts."""
        found: dict[str, Any] = json.loads(self._call("GET", "/log"))
        if found["failures"]:
            raise AssertionError("the internet itself failed:\n" + "\n".join(found["failures"]))
        return found

    def count(self, place: str) -> int:
        """Return how often HOST/PATH was asked for."""
        counts: dict[str, int] = self.log()["counts"]
        return counts.get(place, 0)

    def connections(self) -> int:
        """Return how many connections there were, whatever was asked on them."""
        seen: int = self.log()["connections"]
        return seen

    def reset(self) -> None:
        """Forget what was seen and what was put."""
        self._call("POST", "/reset")

    def put(self, place: str, body: bytes, behaviour: str = "ok") -> None:
        """Serve `body` at HOST/PATH, misbehaving as told."""
        self._call("PUT", f"/www/{place}?behaviour={behaviour}", body)

    def play_cloudflare(
        self, *, token: str, account: str, namespaces: Sequence[str] = (), databases: Sequence[str] = ()
    ) -> None:
        """Let Cloudflare know one token, one account with these resources, and no Worker."""
        known = {"tokens": [token], "accounts": {account: "Ours"}, "namespaces": namespaces, "databases": databases}
        self._call("PUT", "/cloudflare", json.dumps(known).encode())

    def deployed(self) -> dict[str, Any]:
        """Return what Cloudflare knows of each Worker, by name; modules are sha256 digests."""
        found: dict[str, Any] = json.loads(self._call("GET", "/cloudflare"))
        return found

    def certificate(self, host: str) -> str:
        """Return the sha256 fingerprint of the certificate that a host shows."""
        shown: str = json.loads(self._call("GET", f"/certificates/{host}"))["sha256"]
        return shown

    def ca(self) -> bytes:
        """Return the root of all its certificates, PEM."""
        return self._call("GET", "/ca.pem")

    def _call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        with OPENER.open(Request(f"http://127.0.0.1:{self.port}{path}", body, method=method), timeout=10) as answer:
            content: bytes = answer.read()
            return content
