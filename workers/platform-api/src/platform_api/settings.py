"""Every variable, secret and binding of this Worker, each declared once."""

from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from worker_kit.ai import Model
from worker_kit.d1 import Database
from worker_kit.kv import Namespace
from worker_kit.service import Service
from worker_kit.settings import Binding, Secret, Var, WorkerSettings

Seconds = Annotated[float, Field(gt=0, le=60)]
PerMinute = Annotated[int, Field(ge=1, le=100_000)]


class Settings(WorkerSettings):
    """What `env` says, validated; a field's environment name is its own in capitals."""

    environment: str = Var("development")

    sanity_project_id: str = Var("")
    sanity_dataset: str = Var("production")
    sanity_api_version: str = Var("2025-02-19")
    sanity_url: str = Var("")
    """Base URL of Sanity's API; empty means the project's own host."""
    sanity_timeout: Seconds = Var(5.0)
    """Seconds until Sanity counts as down."""
    sanity_api_read_token: SecretStr | None = Secret(required=False)
    sanity_api_write_token: SecretStr | None = Secret(required=False)

    content_fresh: Annotated[int, Field(ge=0, le=3600)] = Var(60)
    """Seconds for which content is served from KV without asking Sanity."""
    content_kept: Annotated[int, Field(ge=60, le=2_592_000)] = Var(86_400)
    """Seconds for which content may be served when Sanity is down."""

    cors_origins: str = Var("")
    """Origins of pages that may call this API, with spaces or commas between; * is every origin, empty is none."""

    chat_model: str = Var("@cf/meta/llama-3.1-8b-instruct")
    chat_timeout: Seconds = Var(30.0)
    """Seconds until the model counts as down."""

    discord_bot_url: str = Var("")
    """Base URL of discord-bot, for where no service binding leads to it; where it is set, the binding is not asked."""
    discord_bot_timeout: Seconds = Var(10.0)
    discord_bot_api_key: SecretStr | None = Secret(required=False)

    limit_read: PerMinute = Var(240)
    limit_chat: PerMinute = Var(10)
    limit_forms: PerMinute = Var(10)
    limit_privileged: PerMinute = Var(60)

    api_key: SecretStr | None = Secret(required=True)

    kv: Namespace | None = Binding(kind="kv")
    db: Database | None = Binding(kind="d1")
    ai: Model | None = Binding(kind="ai")
    discord_bot: Service | None = Binding(kind="service", required=False)
    """The way to the bot where discord_bot_url is empty."""

    @field_validator("sanity_url", "discord_bot_url")
    @classmethod
    def check_url(cls, value: str) -> str:
        """Take a base URL with or without its last slash."""
        if value and not value.startswith(("http://", "https://")):
            raise ValueError(f"expected a URL that starts with https://, found {value!r}")
        return value.rstrip("/")

    @property
    def sanity_base_url(self) -> str:
        """Base URL of the API that holds the content, empty where no project is named."""
        if self.sanity_url:
            return self.sanity_url
        return f"https://{self.sanity_project_id}.api.sanity.io" if self.sanity_project_id else ""

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """The origins of `cors_origins`, one by one."""
        return tuple(self.cors_origins.replace(",", " ").split())
