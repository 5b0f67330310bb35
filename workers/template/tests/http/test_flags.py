"""Flags: written with the key, read by anybody."""

import uuid
from typing import Any

import pytest


@pytest.fixture
def path() -> str:
    """Offer a flag that nothing else uses."""
    return f"/api/v1/flags/w{uuid.uuid4().hex[:12]}"


def test_a_flag_is_read_as_it_was_written(client: Any, key: dict[str, str], path: str) -> None:
    flag = {"enabled": True, "reason": "für alle"}
    assert client.put(path, json=flag, headers=key).json() == flag
    assert client.get(path).json() == flag
    assert client.put(path, json={"enabled": False, "expires_in": 60}, headers=key).status_code == 200
    assert client.get(path).json() == {"enabled": False, "reason": None}


def test_a_flag_that_nobody_set_is_not_there(client: Any, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


def test_a_removed_flag_is_gone(client: Any, key: dict[str, str], path: str) -> None:
    client.put(path, json={"enabled": True}, headers=key)
    assert [client.delete(path, headers=key).status_code for _ in range(2)] == [204, 204]
    assert client.get(path).status_code == 404


def test_nobody_writes_without_the_key(client: Any, path: str) -> None:
    assert client.put(path, json={"enabled": True}).status_code == 401
    assert client.delete(path).status_code == 401
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("body", [{}, {"enabled": "maybe"}, {"enabled": True, "expires_in": 59}])
def test_a_flag_of_another_form_is_refused(client: Any, key: dict[str, str], path: str, body: Any) -> None:
    assert client.put(path, json=body, headers=key).status_code == 422


@pytest.mark.parametrize("name", ["UPPER", "-first", "a" * 65, "a%20b", "a:b"])
def test_a_name_of_another_form_is_refused(client: Any, key: dict[str, str], name: str) -> None:
    assert client.put(f"/api/v1/flags/{name}", json={"enabled": True}, headers=key).status_code == 422
