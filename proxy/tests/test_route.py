"""Routing decisions where no real client leads: hooks that fail must not let anything pass."""

import asyncio
from typing import Any

import pytest
from drydock_cache.errors import UpstreamError, UpstreamFailure
from drydock_cache.policy import Policy
from drydock_proxy.addons.route import Refusal, Route
from drydock_proxy.tally import Tally
from mitmproxy import http
from mitmproxy.options import Options
from mitmproxy.proxy import context, layer
from mitmproxy.proxy.layers import modes
from mitmproxy.test import tflow, tutils

POLICY = Policy.parse('pin = ["assets.example"]\ntunnel = ["tunnel.example"]\n', "drydock.toml")


class Stream:
    """The end of a dialled connection."""

    closed = False

    async def aclose(self) -> None:
        self.closed = True


class Dialler:
    """A relay that dials what it is told to."""

    address = ("127.0.0.1", 2)

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.stream = Stream()
        self.hold = asyncio.Event()
        self.hold.set()

    async def dial(self, host: str, port: int) -> Any:
        await self.hold.wait()
        if self.failure:
            raise self.failure
        return self

    async def aclose(self) -> None:
        await self.stream.aclose()


def connect(host: str, port: int = 443) -> http.HTTPFlow:
    """A CONNECT request."""
    flow = tflow.tflow(req=tutils.treq(method=b"CONNECT", host=host, port=port))
    flow.response = None
    flow.client_conn.timestamp_end = None
    return flow


def route(relay: Any, policy: Any = POLICY) -> Route:
    """The addon under test."""
    return Route(policy, relay, Tally())


async def test_connect_stands_for_what_the_policy_allows() -> None:
    """An intercepted host and a dialled tunnel are let stand, in any spelling."""
    for host in ("assets.example", "ASSETS.example.", "tunnel.example"):
        flow = connect(host)
        await route(Dialler()).http_connect(flow)
        assert flow.response is None


async def test_connect_fails_when_the_decision_itself_fails() -> None:
    """mitmproxy goes on after a hook that raised; the answer that it finds then is an error."""

    class Broken:
        def host(self, *_: object) -> None:
            raise RuntimeError("broken")

    for relay, policy in ((Dialler(RuntimeError("broken")), POLICY), (Dialler(), Broken())):
        flow = connect("tunnel.example")
        with pytest.raises(RuntimeError):
            await route(relay, policy).http_connect(flow)
        assert flow.response is not None
        assert flow.response.status_code == 500


async def test_a_routing_error_ends_the_connection() -> None:
    """mitmproxy would wait for ever for a layer that no hook has named."""
    client = tflow.tclient_conn()
    own = context.Context(client, Options())
    own.layers.append(modes.ReverseProxy(context.Context(client, Options())))
    nextlayer = layer.NextLayer(own)
    nextlayer.data_client = lambda: 1 / 0  # type: ignore[method-assign]
    await route(Dialler()).next_layer(nextlayer)
    assert isinstance(nextlayer.layer, Refusal)


async def test_a_tunnel_that_was_dialled_for_a_client_that_left_is_closed() -> None:
    """A client that leaves while its tunnel is dialled is not said to leave a second time."""
    relay = Dialler()
    relay.hold.clear()
    flow = connect("tunnel.example")
    addon = route(relay)
    dialling = asyncio.create_task(addon.http_connect(flow))
    await asyncio.sleep(0)
    await addon.client_disconnected(flow.client_conn)
    flow.client_conn.timestamp_end = 1.0
    relay.hold.set()
    await dialling
    assert relay.stream.closed


async def test_a_failed_dial_has_the_status_of_its_failure() -> None:
    """502 where the far side broke a rule, 504 where it was not reached; the body names the host."""
    for failure, status in ((UpstreamFailure.PROXY_AUTH, 502), (UpstreamFailure.OFFLINE, 504)):
        flow = connect("tunnel.example", 443)
        await route(Dialler(UpstreamError(failure, "It failed.", "Mend it."))).http_connect(flow)
        assert flow.response is not None
        assert flow.response.status_code == status
        assert flow.response.json() == {
            "url": "tunnel.example:443",
            "error": failure,
            "reason": "It failed.",
            "mend": "Mend it.",
        }
