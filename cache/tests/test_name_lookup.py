"""Looking names up: numbers in every spelling, names that are none, and a DNS that never answers."""

import asyncio
import socket
import threading
import time

import pytest
from drydock_cache import name_lookup
from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.name_lookup import look_up, numeric_address


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("2852039166", "169.254.169.254"),
        ("0xa9fea9fe", "169.254.169.254"),
        ("0251.0376.0251.0376", "169.254.169.254"),
        ("127.1", "127.0.0.1"),
        ("::1", "::1"),
        ("::ffff:169.254.169.254", "::ffff:169.254.169.254"),
        ("169.254.169.254.", "169.254.169.254"),
        ("2852039166..", "169.254.169.254"),
        ("fe80::1%25lo", "fe80::1"),
        ("localhost", None),
        ("assets.example", None),
        ("a..b", None),
        ("a" * 70, None),
    ],
)
def test_a_number_in_any_spelling_is_an_address(host: str, address: str | None) -> None:
    assert numeric_address(host) == address


async def test_a_name_is_looked_up_and_each_address_found_once() -> None:
    found = await look_up("localhost")
    assert set(found) <= {"127.0.0.1", "::1"}
    assert len(found) == len(set(found)) >= 1


@pytest.mark.parametrize("name", ["nowhere.invalid", "a..b", "a" * 70 + ".invalid"])
async def test_a_name_that_is_not_found_is_said_by_name(name: str) -> None:
    with pytest.raises(UpstreamError, match=f"The name {name[:20]}") as caught:
        await look_up(name)
    assert caught.value.failure is UpstreamFailure.NAME_NOT_FOUND


async def test_a_dns_that_hangs_holds_up_neither_the_store_nor_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline ends the wait, the pool for files is free all the while, and the threads do not keep the process."""
    released = threading.Event()

    def hang(*_: object, flags: int = 0, **__: object) -> list[object]:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "not a number")
        released.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(name_lookup, "_SECONDS", 0.3)
    started = time.monotonic()
    asking = [asyncio.create_task(look_up("assets.example")) for _ in range(50)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 0.25) == "free"
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert all("DNS did not answer within" in str(result) for result in results)
    assert time.monotonic() - started < 3
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("look up"))
    released.set()
