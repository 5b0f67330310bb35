"""Every variable, secret and binding of this Worker, each declared once."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from worker_kit.ai import Model
from worker_kit.d1 import Database
from worker_kit.kv import Namespace
from worker_kit.settings import Binding, Secret, Var, WorkerSettings


def _base_url(value: str) -> str:
    if not value.startswith(("https://", "http://")):
        raise ValueError(f"expected a URL that starts with https://, found {value!r}")
    return value.rstrip("/")


type BaseUrl = Annotated[str, AfterValidator(_base_url)]
type Seconds = Annotated[float, Field(gt=0, le=60)]


class Settings(WorkerSettings):
    """What `env` says, validated; a field's environment name is its own in capitals."""

    environment: str = Var("development")

    discord_api_url: BaseUrl = Var("https://discord.com/api/v10")
    discord_timeout: Seconds = Var(5.0)
    """Seconds that one try at Discord may take."""
    discord_public_key: SecretStr | None = Secret(required=True)
    """Not secret in itself, but set like one, so that a deployment never carries another application's key."""

    sanity_api_url: BaseUrl = Var("https://your-project-id.api.sanity.io")
    sanity_dataset: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$")] = Var("production")
    sanity_api_version: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] = Var("2025-02-19")
    sanity_timeout: Seconds = Var(2.0)
    """Seconds until Sanity counts as down. Discord waits three seconds for the answer to a command."""
    sanity_api_read_token: SecretStr | None = Secret(required=False)

    ai_model: str = Var("@cf/meta/llama-3.1-8b-instruct")
    ai_timeout: Seconds = Var(20.0)
    """Seconds for an answer. The runtime ends deferred work 30 seconds after the response."""

    api_key: SecretStr | None = Secret(required=True)
    sponsor_limit: Annotated[int, Field(ge=1, le=1000)] = Var(5)
    """Notifications of one kind that one sponsor may cause in a window."""
    sponsor_window: Annotated[int, Field(ge=60, le=86_400)] = Var(3600)
    """Seconds of that window; KV keeps nothing for less than 60."""

    kv: Namespace | None = Binding(kind="kv")
    db: Database | None = Binding(kind="d1")
    ai: Model | None = Binding(kind="ai")
