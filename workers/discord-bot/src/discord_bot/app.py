"""The FastAPI application: its routes, its middleware and its one error model. No import of the runtime."""

from fastapi import FastAPI
from worker_kit import faults
from worker_kit.health import health_router
from worker_kit.middleware import RequestIds, SecurityHeaders

from discord_bot.dependencies import get_settings
from discord_bot.openapi import complete_openapi
from discord_bot.routers import interactions, notifications


def create_app() -> FastAPI:
    """Return the application."""
    made = FastAPI(
        title="discord-bot",
        version="0.1.0",
        description="Discord slash commands, sponsor notifications, event reminders and a weekly digest.",
    )
    made.add_middleware(SecurityHeaders)
    made.add_middleware(RequestIds)
    faults.install(made)
    made.include_router(health_router(get_settings))
    made.include_router(interactions.router)
    made.include_router(notifications.router)
    complete_openapi(made)
    return made


app = create_app()
