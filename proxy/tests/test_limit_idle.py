"""Which connections are closed when too many wait for nothing."""

import pytest
from drydock_proxy.addons.limit_idle import LimitIdle, idle_limit
from mitmproxy.connection import Client
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test import tflow


class Clients:
    """A limit of three, and the ids of those that it closed."""

    def __init__(self) -> None:
        self.closed: list[str] = []
        self.addon = LimitIdle(self.close, limit=3)

    def close(self, client: str) -> None:
        self.closed.append(client)

    def come(self) -> Client:
        client = tflow.tclient_conn()
        client.timestamp_end = None
        self.addon.client_connected(client)
        return client


def test_the_longest_idle_goes_first() -> None:
    """The fourth idle connection costs the first one its place."""
    clients = Clients()
    first, second, *_ = [clients.come() for _ in range(5)]
    assert clients.closed == [first.id, second.id]


def test_who_asked_for_something_stays_and_is_idle_again_afterwards() -> None:
    """Between its head and the end of its answer a connection is not counted; then it is the newest of the idle ones."""
    clients = Clients()
    first, second, third = [clients.come() for _ in range(3)]
    flow = tflow.tflow(client_conn=first)
    clients.addon.requestheaders(flow)
    clients.come()
    assert clients.closed == []
    clients.addon.response(flow)
    clients.come()
    assert clients.closed == [second.id, third.id]


def test_a_tunnel_is_never_idle() -> None:
    """However silent it is, it was asked for."""
    clients = Clients()
    first = clients.come()
    clients.addon.server_connected(ServerConnectionHookData(server=tflow.tserver_conn(), client=first))
    for _ in range(4):
        clients.come()
    assert first.id not in clients.closed


def test_who_left_is_forgotten() -> None:
    """A connection that has ended takes no place, also when its flow ends after it."""
    clients = Clients()
    first = clients.come()
    clients.addon.client_disconnected(first)
    first.timestamp_end = 1.0
    clients.addon.error(tflow.tflow(client_conn=first, err=True))
    for _ in range(3):
        clients.come()
    assert clients.closed == []


def test_questions_by_udp_are_no_connections() -> None:
    """They end by themselves and hold no descriptor each."""
    clients = Clients()
    for _ in range(10):
        client = tflow.tclient_conn()
        client.transport_protocol = "udp"
        clients.addon.client_connected(client)
    assert clients.closed == []


@pytest.mark.parametrize(("descriptors", "idle"), [(64, 16), (160, 24), (1024, 240), (16384, 1024), (1 << 40, 1024)])
def test_the_limit_leaves_descriptors_for_those_who_ask(descriptors: int, idle: int) -> None:
    """A quarter of what is left after the process's own."""
    assert idle_limit(descriptors) == idle
