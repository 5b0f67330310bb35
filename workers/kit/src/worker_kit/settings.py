"""Variables, secrets and bindings of a Worker, each declared once as a field of one model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from worker_kit.ai import Model
from worker_kit.d1 import Database
from worker_kit.errors import KitError, MissingSetting
from worker_kit.interop import is_missing, to_py
from worker_kit.kv import Namespace
from worker_kit.service import Service

__all__ = ["Binding", "Declared", "InvalidSettings", "Kind", "MissingSetting", "Secret", "Var", "WorkerSettings"]

MARK = "worker_kit"
WRAPPERS: dict[str, Callable[[Any], Any]] = {"kv": Namespace, "d1": Database, "ai": Model, "service": Service}


class InvalidSettings(KitError):  # noqa: N818 - it names what happened
    """A variable has a value that its field does not allow."""


class Kind(Enum):
    """What a field stands for."""

    VAR = "var"
    SECRET = "secret"  # noqa: S105 - a kind, no secret
    KV = "kv"
    D1 = "d1"
    AI = "ai"
    SERVICE = "service"

    @property
    def is_binding(self) -> bool:
        """Whether it is an object of the runtime."""
        return self not in (Kind.VAR, Kind.SECRET)


@dataclass(frozen=True)
class Declared:
    """One field: its name in Python and in `env`, its kind, and whether the Worker is degraded without it."""

    field: str
    env: str
    kind: Kind
    required: bool


def Var(default: Any = ..., *, env: str | None = None, **options: Any) -> Any:
    """Declare a variable of wrangler.jsonc; without a default it must be there. `options` go to pydantic's Field."""
    return Field(default, json_schema_extra=_mark(Kind.VAR, env, default is ...), **options)


def Secret(*, required: bool = True, env: str | None = None) -> Any:
    """Declare a secret, typed `SecretStr | None`. One that is missing is None, and degrades the health report if required."""
    return Field(None, json_schema_extra=_mark(Kind.SECRET, env, required), repr=False)


def Binding(*, kind: Literal["kv", "d1", "ai", "service"], env: str | None = None, required: bool = True) -> Any:
    """Declare a binding, typed `Namespace | None`, `Database | None`, `Model | None` or `Service | None`; None where it is missing."""
    return Field(None, json_schema_extra=_mark(Kind(kind), env, required), repr=False)


class WorkerSettings(BaseModel):
    """The base of a Worker's settings; read it with `from_env`, or make it of values in a test."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="forbid", hide_input_in_errors=True)

    @classmethod
    def declared(cls) -> list[Declared]:
        """Return every field that carries a marker, in order."""
        found = []
        for name, field in cls.model_fields.items():
            extra = field.json_schema_extra
            mark = extra.get(MARK) if isinstance(extra, dict) else None
            if isinstance(mark, dict):
                env = str(mark["env"] or name.upper())
                found.append(Declared(name, env, Kind(mark["kind"]), bool(mark["required"])))
        return found

    @classmethod
    def from_env(cls, env: Any) -> Self:
        """Read every declared field from the runtime's `env` (an object or a mapping).

        Missing secrets and bindings are None. Raises InvalidSettings, which names the variable and never shows a value.
        """
        values: dict[str, Any] = {}
        for field in cls.declared():
            value = _read(env, field.env)
            if field.kind.is_binding:
                values[field.field] = value
            elif not is_missing(value) and (value != "" or field.kind is Kind.VAR):
                values[field.field] = to_py(value)
        try:
            return cls(**values)
        except ValidationError as error:
            names = {field.field: field.env for field in cls.declared()}
            faults = [f"{names.get(str(fault['loc'][0]), fault['loc'][0])}: {fault['msg']}" for fault in error.errors()]
            raise InvalidSettings("the Worker's settings are wrong: " + "; ".join(faults)) from None

    @model_validator(mode="before")
    @classmethod
    def _wrap_bindings(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        values = dict(data)
        for field in cls.declared():
            if field.kind.is_binding and field.field in values:
                value = values[field.field]
                values[field.field] = None if is_missing(value) else WRAPPERS[field.kind.value](value)
            elif field.kind is Kind.SECRET and values.get(field.field) == "":
                values[field.field] = None
        return values

    def require(self, name: str) -> Any:
        """Return the field `name`, a secret as plain text; raise MissingSetting, which says how to set it, where it is None."""
        value = getattr(self, name)
        if value is None:
            field = next(entry for entry in type(self).declared() if entry.field == name)
            how = f"wrangler secret put {field.env}" if field.kind is Kind.SECRET else f"add {field.env} to wrangler.jsonc"
            raise MissingSetting(f"{field.env} is not set: {how}")
        return value.get_secret_value() if isinstance(value, SecretStr) else value


def _mark(kind: Kind, env: str | None, required: bool) -> dict[str, Any]:
    return {MARK: {"kind": kind.value, "env": env, "required": required}}


def _read(env: Any, name: str) -> Any:
    if isinstance(env, Mapping):
        return env.get(name)
    return getattr(env, name, None)
