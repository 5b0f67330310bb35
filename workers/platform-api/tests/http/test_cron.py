"""The cron, fired as the runtime fires it: what waits is handed over once, however Sanity fails before."""

from typing import Any

import pytest
from platform_api_testing.stub import Fault, Upstreams
from platform_api_testing.worker import SCHEDULED

FAULTS = [
    Fault.BUSY,
    Fault.BROKEN,
    Fault.REFUSED,
    Fault.HANG,
    Fault.DRIP,
    Fault.NOT_JSON,
    Fault.OTHER_FORM,
    Fault.BAD_ENCODING,
    Fault.CLOSED,
]


def fire(api: Any) -> int:
    """Let the cron of wrangler.jsonc fire, and return the status."""
    return int(api.get(SCHEDULED, params={"cron": "*/5 * * * *"}).status_code)


def send(api: Any, word: str) -> str:
    """Send a form, and return the name of the document that Sanity is to get."""
    body = {"name": "Ada", "email": f"{word}@example.org", "message": "Hello"}
    response = api.post("/api/v1/forms/contact", headers={"Idempotency-Key": word}, json=body)
    assert response.status_code == 201
    return f"submission.{response.json()['id']}"


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_what_sanity_does_not_take_waits_for_a_later_run(api: Any, upstreams: Upstreams, word: str, fault: Fault) -> None:
    """A run that meets a Sanity that fails ends well and loses nothing; the next one hands over."""
    address = f"{word}@example.org"
    upstreams.fail(address, fault)
    name = send(api, word)
    assert fire(api) == 200
    assert name not in upstreams.created
    upstreams.fail(address, None)
    assert fire(api) == 200
    assert upstreams.created[name]["fields"]["email"] == address


def test_one_that_fails_does_not_hold_up_the_others(api: Any, upstreams: Upstreams, word: str) -> None:
    """The others of a run are handed over all the same, and none twice."""
    addresses = [f"{word}-{number}@example.org" for number in range(3)]
    for address in addresses:
        upstreams.fail(address, Fault.BROKEN)
    names = [send(api, f"{word}-{number}") for number in range(3)]
    for address in addresses[1:]:
        upstreams.fail(address, None)
    assert [fire(api), fire(api)] == [200, 200]
    assert [name in upstreams.created for name in names] == [False, True, True]
    upstreams.fail(addresses[0], None)
    assert fire(api) == 200
    assert names[0] in upstreams.created


def test_a_sanity_that_is_busy_once_is_asked_again_within_the_run(api: Any, upstreams: Upstreams, word: str) -> None:
    """A 429 that says to come back at once is no failure."""
    address = f"{word}@example.org"
    upstreams.fail(address, Fault.BROKEN)
    name = send(api, word)
    upstreams.fail(address, Fault.BUSY_ONCE)
    assert fire(api) == 200
    assert name in upstreams.created
