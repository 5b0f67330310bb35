"""Both FastAPI Workers in real Pyodide at once: one calls the other through its service binding."""

from pathlib import Path

import httpx
from peer import PeerServer
from pyodide_harness.pyodide import Pyodide

WORKERS = Path(__file__).parents[2]
BOT_KEY, API_KEY = "the bot's key", "the platform's key"


def test_a_notification_goes_through_the_service_binding_to_discord(pyodide: Pyodide, peer: PeerServer, tmp_path: Path) -> None:
    """platform-api hands it to discord-bot, which posts it to the webhook that KV names; without the bot's key nothing is posted."""
    discord = {"API_KEY": BOT_KEY, "DISCORD_API_URL": f"{peer.url}/api/v10"}
    webhook = {"KV/webhooks:sponsors": f"{peer.url}/api/webhooks/1/token"}
    notification = {"kind": "sponsors", "sponsor": "acme", "title": "お知らせ", "description": "Acme is back."}
    with pyodide.serve(WORKERS / "discord-bot", log=tmp_path / "bot", variables=discord, kv=webhook) as bot:
        for key, status in ((BOT_KEY, 200), ("another key", 502)):
            variables = {"API_KEY": API_KEY, "DISCORD_BOT_API_KEY": key}
            before = len(peer.posted)
            with pyodide.serve(
                WORKERS / "platform-api", log=tmp_path / "api", variables=variables, services={"DISCORD_BOT": bot.url}
            ) as api:
                response = httpx.post(
                    f"{api.url}/api/v1/discord/notify", json=notification, headers={"X-API-Key": API_KEY}, timeout=60
                )
            assert response.status_code == status, response.text
            if status == 200:
                assert response.json() == {"kind": "sponsors", "via": "service"}
                (message,) = peer.posted[before:]
                assert message["embeds"][0]["title"] == "お知らせ"  # type: ignore[index]
            else:
                assert peer.posted[before:] == []
