"""Every variable and binding of this Worker, each declared once."""

from starlette.requests import Request
from worker_kit.d1 import Database
from worker_kit.settings import Binding, Var, WorkerSettings


class Settings(WorkerSettings):
    """What `env` says, validated; a field's environment name is its own in capitals."""

    greeting: str = Var("Hello World from a Starlette Worker!", min_length=1)
    """What /hello says."""

    db: Database | None = Binding(kind="d1")


def settings_of(request: Request) -> Settings:
    """Read the settings from the request's `env`."""
    return Settings.from_env(request.scope["env"])
