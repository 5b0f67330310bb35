"""The record: what counts as a hit, a miss or a refusal, and who missed what."""

from collections.abc import Callable

import pytest
from drydock_proxy.client_names import ClientNames, service_name
from drydock_proxy.record import TUNNEL, Asked, Record
from drydock_proxy.tally import Tally

URL = "https://assets.example/a"


def asked(outcome: str, *details: str, method: str = "GET", url: str = URL, client: str = "10.1.2.3", sent: int = 10) -> Asked:
    return Asked(method, url, client, "uv/0.13", 200, outcome, details, sent)


@pytest.mark.parametrize(
    ("one", "counts"),
    [
        (asked("hit", "hit"), (1, 0, 0)),
        (asked("stale", "fwd=stale", "detail=unreachable"), (1, 0, 0)),
        (asked("miss", "fwd=uri-miss", "fwd-status=200", "stored"), (0, 1, 0)),
        (asked("collapsed", "fwd=uri-miss", "collapsed"), (0, 1, 0)),
        (asked("revalidated", "fwd=stale", "fwd-status=304"), (0, 1, 0)),
        (asked("pass", "fwd=request"), (0, 1, 0)),
        (asked("error", "fwd=uri-miss", "detail=offline"), (0, 1, 0)),
        (asked("error", "fwd=bypass", "detail=policy"), (0, 0, 1)),
        (asked("refused", method=TUNNEL), (0, 0, 1)),
        (asked("opened", method=TUNNEL), (0, 1, 0)),
        (asked("offline", method=TUNNEL), (0, 1, 0)),
    ],
)
def test_whatever_needs_upstream_is_a_miss_and_what_the_policy_refuses_is_none(
    one: Asked, counts: tuple[int, int, int]
) -> None:
    """A refusal is the same with and without a network; a validation and a tunnel are not."""
    record = Record()
    record.note(one)
    assert (record.hits, record.misses, record.refused) == counts


def test_a_miss_is_listed_once_for_each_client_and_tool() -> None:
    """With the last status and how often it was asked for; bytes are counted by where they came from."""
    told: list[str] = []

    def learn(client: str, tell: Callable[[str], None]) -> None:
        told.append(client)
        tell("hello" if client == "10.1.2.3" else "")

    record = Record(connections=3, on_miss=learn)
    for one in (asked("miss"), asked("miss"), asked("miss", client="10.1.2.4"), asked("hit", "hit", sent=5)):
        record.note(one)
    shown = record.snapshot(7)
    assert (shown["upstream_connections"], shown["bytes_from_store"], shown["bytes_from_upstream"]) == (4, 5, 30)
    assert shown["missed"] == [
        {"method": "GET", "url": URL, "client": "10.1.2.3", "agent": "uv/0.13", "status": 200, "count": 2, "service": "hello"},
        {"method": "GET", "url": URL, "client": "10.1.2.4", "agent": "uv/0.13", "status": 200, "count": 1, "service": ""},
    ]
    assert told == ["10.1.2.3", "10.1.2.4"]


def test_a_list_of_misses_does_not_grow_without_end() -> None:
    """Those past ten thousand are counted, not listed: a client must not fill the proxy's memory."""
    record = Record()
    for number in range(10_050):
        record.note(asked("miss", url=f"{URL}{number}"))
    shown = record.snapshot(0)
    assert (shown["misses"], shown["left_out"], len(list(record.missed))) == (10_050, 50, 10_000)


def test_the_tally_notes_for_a_rehearsal_what_comes_after_its_begin() -> None:
    """And for the record since the start everything."""
    tally = Tally()
    tally.note(asked("miss"))
    tally.rehearsal = Record()
    tally.note(asked("hit", "hit"))
    tally.note(asked("refused", method=TUNNEL))
    assert (tally.since_start.hits, tally.since_start.misses, tally.since_start.refused) == (1, 1, 1)
    assert (tally.rehearsal.hits, tally.rehearsal.misses, tally.rehearsal.refused) == (1, 0, 1)
    assert (tally.requests, tally.tunnels, tally.bytes_served) == ({"miss": 1, "hit": 1}, {"refused": 1}, 20)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("drydock-hello-1.drydock_sealed", "hello"),
        ("drydock-hello-js-12.drydock_sealed", "hello-js"),
        ("drydock-rehearsal-hello-run-0a1b2c3d4e5f.drydock-rehearsal_sealed", "hello"),
        ("laptop.corp.example", "laptop.corp.example"),
        ("named-1.bridge", "named"),
    ],
)
def test_a_container_is_called_by_its_service(host: str, name: str) -> None:
    assert service_name(host) == name


async def test_only_private_addresses_are_looked_up_and_none_offline() -> None:
    """A public client's address is asked of no resolver, nor anything at all where nothing may be sent."""
    told: list[str] = []
    names = ClientNames(asking=True)
    for address in ("127.0.0.1", "::1", "8.8.8.8", "no address"):
        names.learn(address, told.append)
    offline = ClientNames(asking=False)
    offline.learn("10.1.2.3", told.append)
    for one in (names, offline):
        await one.settled()
    assert told == []


async def test_an_address_is_that_of_whoever_has_it_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Misses of one moment share a look-up; a later container with the same address has a name of its own, or none."""
    containers = iter(["drydock-hello-run-0a1b2c3d4e5f.drydock_sealed", "drydock-fastapi-1.drydock_sealed"])
    monkeypatch.setattr("socket.gethostbyaddr", lambda _address: (next(containers), [], []))
    monkeypatch.setattr("drydock_proxy.client_names._SAME_CONTAINER_SECONDS", 60.0)
    names, told = ClientNames(asking=True), list[str]()
    names.learn("10.1.2.3", told.append)
    names.learn("10.1.2.3", told.append)
    await names.settled()
    monkeypatch.setattr("drydock_proxy.client_names._SAME_CONTAINER_SECONDS", 0.0)
    names.learn("10.1.2.3", told.append)
    await names.settled()
    monkeypatch.undo()
    names.learn("10.255.255.254", told.append)  # nobody has it
    await names.settled()
    assert told == ["hello", "hello", "fastapi", ""]
