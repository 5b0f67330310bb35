"""What happens where a binding, a secret or a cron is not as it should be."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from worker_kit.testing import FakeD1, FakeKV

from template_worker.jobs import JobError, run
from template_worker.settings import Settings

type MakeWorker = Callable[..., Any]
BROKEN = "detail of the inside"


@pytest.mark.parametrize(("path", "binding"), [("/api/v1/notes", "DB"), ("/api/v1/flags/any", "KV")])
def test_a_missing_binding_is_told_with_how_to_add_it(worker: MakeWorker, env: dict[str, Any], path: str, binding: str) -> None:
    del env[binding]
    client = worker(**env)
    error = client.get(path).json()["error"]
    assert error["code"] == "unavailable"
    assert f"add {binding} to wrangler.jsonc" in error["message"]
    assert client.get("/health").json()["status"] == "degraded"


@pytest.mark.parametrize(
    ("path", "broken"), [("/api/v1/notes", {"DB": FakeD1(broken=BROKEN)}), ("/api/v1/flags/any", {"KV": FakeKV(broken=BROKEN)})]
)
def test_a_binding_that_fails_is_a_503_without_its_words(
    worker: MakeWorker, env: dict[str, Any], path: str, broken: dict[str, Any]
) -> None:
    client = worker(**env | broken)
    response = client.get(path)
    assert (response.status_code, BROKEN in response.text) == (503, False)
    assert (client.get("/health").json()["status"], client.get("/healthz").status_code) == ("degraded", 200)


@pytest.mark.parametrize("secret", [None, ""])
def test_without_its_own_key_the_worker_lets_nobody_write(worker: MakeWorker, env: dict[str, Any], secret: str | None) -> None:
    response = worker(**env | {"API_KEY": secret}).post("/api/v1/notes", json={"text": "x"}, headers={"X-API-Key": ""})
    assert (response.status_code, "wrangler secret put API_KEY" in response.text) == (503, True)


def test_a_variable_out_of_its_range_stops_the_worker_from_working(worker: MakeWorker, env: dict[str, Any]) -> None:
    assert worker(**env, NOTES_KEPT="0").get("/api/v1/notes").status_code == 503


async def test_a_cron_without_a_job_fails(env: dict[str, Any]) -> None:
    with pytest.raises(JobError, match=r"no job for the cron '\* \* \* \* \*': expected one of '0 3 \* \* \*'"):
        await run("* * * * *", datetime.now(UTC), Settings.from_env(env))
