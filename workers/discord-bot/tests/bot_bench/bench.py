"""How a test reaches the Worker: the same calls whether it runs in this process or behind a URL."""

import json
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot_bench import ed25519
from bot_bench.server import Received
from bot_bench.services import Services
from bot_bench.worker import API_KEY, APPLICATION, SCHEDULED, SECRET

REMINDERS, DIGEST = "0 14 * * *", "0 14 * * MON"


@dataclass(frozen=True)
class Bench:
    """The Worker's client and the services it calls."""

    client: Any
    services: Services

    def interact(self, body: bytes, *, secret: bytes = SECRET, timestamp: str | None = None, **headers: str | None) -> Any:
        """POST a signed interaction; `headers` replace the signed ones, None leaves one out."""
        timestamp = str(int(time.time())) if timestamp is None else timestamp
        signature = ed25519.sign(secret, timestamp.encode() + body).hex()
        sent = {"x-signature-ed25519": signature, "x-signature-timestamp": timestamp, "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}  # type: ignore[misc]
        return self.client.post("/interactions", content=body, headers={k: v for k, v in sent.items() if v is not None})

    def use(self, kind: int, data: dict[str, Any], token: str = "a-token") -> dict[str, Any]:
        """Send an interaction of a user and return the answer's JSON."""
        interaction = {"id": "1", "application_id": APPLICATION, "token": token, "type": kind, "version": 1, "data": data}
        response = self.interact(json.dumps(interaction).encode())
        assert response.status_code == 200, response.text
        return dict(response.json())

    def command(self, name: str, token: str = "a-token", **options: Any) -> dict[str, Any]:
        """Use a slash command."""
        given = [{"name": option, "type": 3, "value": value} for option, value in options.items()]
        return self.use(2, {"id": "7", "name": name, "type": 1, "options": given}, token)

    def press(self, custom_id: str) -> dict[str, Any]:
        """Press a button."""
        return self.use(3, {"custom_id": custom_id, "component_type": 2})

    def notify(self, kind: str, *, key: str | None = API_KEY, **changes: Any) -> Any:
        """Send a notification of a sponsor of its own, unless `changes` name one."""
        body = {"sponsor": f"s-{uuid.uuid4().hex}", "title": "Sponsor update", "description": "Acme is back."} | changes
        headers = {} if key is None else {"x-api-key": key}
        return self.client.post(f"/notifications/{kind}", json=body, headers=headers)

    def fire(self, cron: str, at: datetime) -> Any:
        """Let a cron fire."""
        return self.client.get(SCHEDULED, params={"cron": cron, "time": str(int(at.timestamp() * 1000))})

    def edited(self, token: str) -> dict[str, Any]:
        """Return the message that replaced the deferred answer to `token`, once it came."""
        path = f"/api/v10/webhooks/{APPLICATION}/{token}/messages/@original"
        found = [request for request in self.services.discord.wait_for(1) if request.path == path]
        assert [request.method for request in found] == ["PATCH"]
        return dict(found[0].json)

    def posted(self) -> list[Received]:
        """Return what came to Discord's webhooks."""
        return [request for request in self.services.discord.received if request.method == "POST"]
