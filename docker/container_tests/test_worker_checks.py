"""What keeps a Worker from being deployed."""

import pytest
from worker_checks import Declared, ask_for_secrets, find_faults, missing_secrets, read_configuration, read_secrets
from worker_errors import WorkerError

DECLARED = Declared(("API_KEY", "PUBLIC_KEY"), ("TOKEN",), ("KV",))


def faults(declared: Declared = DECLARED, bound: tuple[str, ...] = ("KV", "DB"), **read: object) -> list[str]:
    """Judge a configuration as wrangler reads it."""
    return find_faults("bot", read_configuration({"name": "bot", **read}), declared, bound)


@pytest.mark.parametrize("id_", ["0" * 32, "", "your-kv-id", "<id>", "ABC"])
def test_a_namespace_that_is_none_is_named_with_the_command_that_makes_one(id_: str) -> None:
    (fault,) = faults(kv_namespaces=[{"binding": "KV", "id": id_}])
    assert f"KV has the placeholder id {id_!r}" in fault
    assert "`docker compose run --rm --env CLOUDFLARE_API_TOKEN bot wrangler kv namespace create KV`" in fault


@pytest.mark.parametrize("id_", ["00000000-0000-0000-0000-000000000000", "", "bot"])
def test_a_database_that_is_none_is_named_with_the_command_that_makes_one(id_: str) -> None:
    (fault,) = faults(d1_databases=[{"binding": "DB", "database_name": "bot-db", "database_id": id_}])
    assert f"DB has the placeholder id {id_!r}" in fault
    assert "wrangler d1 create bot-db`" in fault


def test_real_ids_and_values_are_no_fault() -> None:
    assert (
        faults(
            kv_namespaces=[{"binding": "KV", "id": "0f" * 16}],
            d1_databases=[{"binding": "DB", "database_name": "d", "database_id": "0f0f0f0f-0000-4000-8000-00000000000f"}],
            vars={"SITE": "https://your-company.example", "COUNT": 3},
        )
        == []
    )


def test_a_value_that_somebody_forgot_is_named() -> None:
    (fault,) = faults(vars={"URL": "https://your-project-id.api.sanity.io"})
    assert fault.startswith("URL still holds the placeholder 'your-project-id'")


def test_a_secret_among_the_variables_is_refused_without_its_value() -> None:
    (fault,) = faults(vars={"TOKEN": "hunter2"})
    assert fault.startswith("TOKEN is a secret, but stands among vars")
    assert "hunter2" not in fault


def test_a_binding_that_the_settings_require_and_the_upload_lacks() -> None:
    assert faults(bound=("DB",)) == ["the Worker needs the binding KV: add it to wrangler.jsonc"]


def test_a_required_secret_may_come_along_or_be_there() -> None:
    assert missing_secrets(DECLARED, ["API_KEY"], ["PUBLIC_KEY", "OTHER"]) == []
    assert missing_secrets(DECLARED, [], ["TOKEN"]) == ["API_KEY", "PUBLIC_KEY"]


def test_each_missing_secret_has_its_command() -> None:
    asked = ask_for_secrets("bot", "bot-staging", ["API_KEY", "PUBLIC_KEY"], exists=True)
    assert asked.startswith("bot-staging lacks API_KEY and PUBLIC_KEY at Cloudflare: run ")
    assert "bot wrangler secret put API_KEY` and " in asked
    assert "bot wrangler secret put PUBLIC_KEY`" in asked


def test_values_are_taken_as_they_stand() -> None:
    text = '# ours\n\nexport API_KEY=\'a b\'\nPUBLIC_KEY = x=${HOME}#y \nTOKEN=""""\n'
    assert read_secrets(text, DECLARED) == {"API_KEY": "a b", "PUBLIC_KEY": "x=${HOME}#y", "TOKEN": '""'}
    assert read_secrets('{"API_KEY": "a\\nb"}', DECLARED) == {"API_KEY": "a\nb"}


@pytest.mark.parametrize("text", ["API_KEY=\n", "API_KEY=''\n", '{"API_KEY": 5}', '{"API_KEY": null}'])
def test_a_secret_without_text_is_refused(text: str) -> None:
    with pytest.raises(WorkerError, match="has no text for API_KEY"):
        read_secrets(text, DECLARED)


def test_a_worker_that_declares_nothing_takes_any_secret() -> None:
    assert read_secrets("ANY=thing", Declared()) == {"ANY": "thing"}
