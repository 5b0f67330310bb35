"""Settings: declared once, read from env, and silent about secrets."""

import pytest
from pydantic import SecretStr
from worker_kit.d1 import Database
from worker_kit.kv import Namespace
from worker_kit.service import Service
from worker_kit.settings import Binding, InvalidSettings, Kind, MissingSetting, Secret, Var, WorkerSettings
from worker_kit.testing import FakeAI, FakeD1, FakeKV, FakeService, fake_env


class Settings(WorkerSettings):
    """One field of each kind."""

    environment: str = Var("development")
    limit: int = Var(10, ge=1)
    origin: str = Var(env="SITE_ORIGIN")
    flags: dict[str, bool] = Var(default={})
    api_key: SecretStr | None = Secret()
    token: SecretStr | None = Secret(required=False, env="OTHER_TOKEN")
    kv: Namespace | None = Binding(kind="kv")
    db: Database | None = Binding(kind="d1")
    bot: Service | None = Binding(kind="service", required=False)


def test_each_field_is_read_by_its_name() -> None:
    """Upper-case names, or those given; values are validated and bindings wrapped."""
    env = fake_env(ENVIRONMENT="test", LIMIT="5", SITE_ORIGIN="o", FLAGS={"a": True}, API_KEY="k", OTHER_TOKEN="t", KV=FakeKV())
    found = Settings.from_env(env)
    assert (found.environment, found.limit, found.origin, found.flags) == ("test", 5, "o", {"a": True})
    assert found.require("api_key") == "k"
    assert found.require("token") == "t"
    assert isinstance(found.kv, Namespace)
    assert found.db is None


def test_a_mapping_is_an_env_too() -> None:
    """Settings can be read from a mapping."""
    assert Settings.from_env({"SITE_ORIGIN": "o", "BOT": FakeService()}).bot is not None


def test_what_is_missing_is_none() -> None:
    """Secrets and bindings that are missing or empty are None; defaults stand."""
    found = Settings.from_env(fake_env(SITE_ORIGIN="", API_KEY=""))
    assert (found.api_key, found.token, found.kv, found.bot) == (None, None, None, None)
    assert (found.environment, found.origin) == ("development", "")


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({}, "SITE_ORIGIN: Field required"),
        ({"SITE_ORIGIN": "o", "LIMIT": "geheim"}, "LIMIT: Input should be a valid integer"),
        ({"SITE_ORIGIN": "o", "LIMIT": 0}, "LIMIT: Input should be greater than or equal to 1"),
    ],
)
def test_a_wrong_variable_is_named(env: dict[str, object], sentence: str) -> None:
    """The error names the variable as env does, and shows no value."""
    with pytest.raises(InvalidSettings, match=sentence) as found:
        Settings.from_env(env)
    assert "geheim" not in str(found.value)
    assert found.value.__cause__ is None


def test_secrets_never_print() -> None:
    """Neither repr, str nor JSON shows a secret."""
    found = Settings.model_validate({"origin": "o", "api_key": "geheim", "kv": FakeKV({"k": "geheim"})})
    assert "geheim" not in repr(found) + str(found) + found.model_dump_json(include={"api_key", "origin"})
    assert found.require("api_key") == "geheim"


@pytest.mark.parametrize(
    ("name", "how"), [("api_key", "wrangler secret put API_KEY"), ("db", "add DB to wrangler.jsonc"), ("token", "OTHER_TOKEN")]
)
def test_what_is_required_says_how_to_set_it(name: str, how: str) -> None:
    """Asking for what is None names it, and the command that sets it."""
    with pytest.raises(MissingSetting, match=how):
        Settings.model_validate({"origin": "o", "api_key": ""}).require(name)


def test_the_declaration_is_the_list() -> None:
    """What a field is can be read off the class, in order."""
    assert [(field.field, field.env, field.kind, field.required) for field in Settings.declared()] == [
        ("environment", "ENVIRONMENT", Kind.VAR, False),
        ("limit", "LIMIT", Kind.VAR, False),
        ("origin", "SITE_ORIGIN", Kind.VAR, True),
        ("flags", "FLAGS", Kind.VAR, False),
        ("api_key", "API_KEY", Kind.SECRET, True),
        ("token", "OTHER_TOKEN", Kind.SECRET, False),
        ("kv", "KV", Kind.KV, True),
        ("db", "DB", Kind.D1, True),
        ("bot", "BOT", Kind.SERVICE, False),
    ]


def test_a_wrapped_binding_is_taken_as_it_is() -> None:
    """A binding that is wrapped already is not wrapped again, by settings or by hand."""
    raw = FakeKV()
    assert Settings(origin="o", kv=Namespace(raw)).require("kv").binding is raw
    assert Namespace(Namespace(raw)).binding is raw
    database = FakeD1()
    assert Database(Database(database)).binding is database
    assert Service(Service(FakeService())).binding is not None


@pytest.mark.parametrize("wrapper", [Namespace, Database, Service])
def test_a_missing_binding_is_told(wrapper: type) -> None:
    """Wrapping what is not there is an error that names the file to mend."""
    with pytest.raises(MissingSetting, match=r"wrangler\.jsonc"):
        wrapper(None)


def test_settings_of_something_else_are_refused() -> None:
    """A value that is no mapping is no settings."""
    with pytest.raises(ValueError, match="valid dictionary"):
        Settings.model_validate(FakeAI())
