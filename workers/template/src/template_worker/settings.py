"""Every variable, secret and binding of this Worker, each declared once."""

from typing import Annotated

from pydantic import Field, SecretStr
from worker_kit.d1 import Database
from worker_kit.kv import Namespace
from worker_kit.settings import Binding, Secret, Var, WorkerSettings


class Settings(WorkerSettings):
    """What `env` says, validated; a field's environment name is its own in capitals.

    A new field here is at once readable in routes, validated, and in the health report. Name it in wrangler.jsonc too, or in
    .dev.vars.example where it is a secret.
    """

    environment: str = Var("development")
    notes_kept: Annotated[int, Field(ge=1, le=3650)] = Var(30)
    """Days for which a note is kept."""

    api_key: SecretStr | None = Secret()

    kv: Namespace | None = Binding(kind="kv")
    db: Database | None = Binding(kind="d1")
