"""What processes on one store tell each other of refused logins."""

import asyncio
import os
from pathlib import Path

import pytest
from drydock_cache.login_notes import LoginNotes, Refusal

ACCOUNT = "Basic d29ya2VyOm5vdC10aGUtd29yZA=="
REFUSED = Refusal(100.0, "http://proxy.example:3128", "407")


def test_a_refusal_is_heard_by_others_of_the_same_account_alone(tmp_path: Path) -> None:
    LoginNotes(tmp_path).note(ACCOUNT, REFUSED, 30)
    assert LoginNotes(tmp_path).refusal(ACCOUNT) == REFUSED
    assert LoginNotes(tmp_path).refusal("Basic bWVuZGVk") is None


def test_the_file_is_its_owners_and_forgets_what_is_over(tmp_path: Path) -> None:
    """No more than the time for which a refusal counts, and nothing of a clock that began anew."""
    notes = LoginNotes(tmp_path)
    notes.note("Basic bG9uZyBhZ28=", Refusal(60.0, "http://old.example:1", "407"), 30)
    notes.note("Basic bGF0ZXI=", Refusal(5000.0, "http://later.example:1", "407"), 30)
    notes.note(ACCOUNT, REFUSED, 30)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert "proxy.example" in file.read_text()
    assert not any(name in file.read_text() for name in ("old.example", "later.example"))


@pytest.mark.parametrize("text", ["", '{"00', "[]", '{"0000": 1}', '{"0000": [1]}'])
def test_a_file_that_cannot_be_read_says_nothing(tmp_path: Path, text: str) -> None:
    notes = LoginNotes(tmp_path)
    (tmp_path / "logins").write_text(text)
    assert notes.refusal(ACCOUNT) is None
    notes.note(ACCOUNT, REFUSED, 30)
    assert notes.refusal(ACCOUNT) == REFUSED


async def test_one_tries_while_the_others_wait_and_who_is_cancelled_waits_no_more(tmp_path: Path) -> None:
    first = await LoginNotes(tmp_path).lock()
    assert first is not None
    given_up, next_one = (asyncio.create_task(LoginNotes(tmp_path).lock()) for _ in range(2))
    await asyncio.sleep(0.1)
    given_up.cancel()
    assert not next_one.done()
    os.close(first)
    second = await asyncio.wait_for(next_one, 5)
    assert second is not None
    os.close(second)
    assert given_up.cancelled()


async def test_without_a_store_nobody_waits(tmp_path: Path) -> None:
    for notes in (LoginNotes(None), LoginNotes(tmp_path / "missing")):
        assert await notes.lock() is None
        notes.note(ACCOUNT, REFUSED, 30)
        assert notes.refusal(ACCOUNT) is None
