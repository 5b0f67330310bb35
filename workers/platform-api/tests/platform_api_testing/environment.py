"""The variables and secrets of a Worker under test."""

API_KEY = "key-of-the-platform"
BOT_KEY = "key-of-the-bot"
READ_TOKEN = "token-that-reads"
WRITE_TOKEN = "token-that-writes"
ORIGIN = "https://pages.example"
TIMEOUT = 2.0
"""Seconds until an upstream counts as down: short, since tests wait for it, and long enough for a busy machine."""
CHAT_LIMIT = 6
FORM_LIMIT = 8


def variables(stub_url: str) -> dict[str, str]:
    """Name every variable and secret, with each outgoing base URL at the stub."""
    return {
        "ENVIRONMENT": "test",
        "SANITY_URL": f"{stub_url}/sanity",
        "SANITY_DATASET": "test",
        "SANITY_TIMEOUT": str(TIMEOUT),
        "SANITY_API_READ_TOKEN": READ_TOKEN,
        "SANITY_API_WRITE_TOKEN": WRITE_TOKEN,
        "CORS_ORIGINS": f"{ORIGIN}, https://other.example",
        "CHAT_MODEL": "@cf/test/model",
        "CHAT_TIMEOUT": str(TIMEOUT),
        "DISCORD_BOT_URL": f"{stub_url}/bot",
        "DISCORD_BOT_TIMEOUT": str(TIMEOUT),
        "DISCORD_BOT_API_KEY": BOT_KEY,
        "LIMIT_CHAT": str(CHAT_LIMIT),
        "LIMIT_FORMS": str(FORM_LIMIT),
        "API_KEY": API_KEY,
    }
