"""The client of a running proxy's status port: reads its record and gives it commands, past any proxy of the environment."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from drydock_cache.errors import ConfigError

_SECONDS = 60.0


class StatusClient:
    """Speaks to the status port at `url` (http://HOST:PORT); `token` goes along with commands alone."""

    def __init__(self, url: str, token: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.username is not None:
            raise ConfigError(
                f"--proxy {url!r} is no address of a status port.",
                "Write it as http://HOST:PORT, such as http://127.0.0.1:8080",
            )
        self._host, self._port = parts.hostname, parts.port or 80
        self._token = token

    def record(self) -> dict[str, Any]:
        """Return what was asked for in the rehearsal under way, or since the proxy started."""
        return self._ask("GET", "/rehearsal")

    def begin(self) -> None:
        """Begin a rehearsal."""
        self._ask("POST", "/rehearsal/begin")

    def end(self) -> dict[str, Any]:
        """End the rehearsal and return its record."""
        return self._ask("POST", "/rehearsal/end")

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"} if method == "POST" else {}
        if method == "POST" and self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_SECONDS)
        try:
            connection.request(method, path, b"{}" if method == "POST" else None, headers)
            answer = connection.getresponse()
            status, text = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ConfigError(
                f"The proxy's status port http://{self._host}:{self._port} does not answer: {error or type(error).__name__}.",
                "Start it (drydock proxy), or name the right one with --proxy URL.",
            ) from None
        finally:
            connection.close()
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise ConfigError(
                f"What answers at http://{self._host}:{self._port} is no status port of drydock: {method} {path} gave {status}.",
                "Name the right one with --proxy URL.",
            )
        if status != http.HTTPStatus.OK:
            reason, mend = str(document.get("error", "no reason given.")), str(document.get("mend", ""))
            raise ConfigError(f"The proxy refused {method} {path} with {status}: {reason}", mend)
        return document
