"""What a request means, by its connection and its head, and which requests are refused."""

import pytest
from drydock_proxy.addons.hand_over import HandOver, meant
from mitmproxy import connection, http
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test import tflow, tutils


def flow(
    path: str = "/a", *, host: str = "assets.example", port: int = 443, header: str | None = "assets.example", tls: bool = True,
    mode: str = "regular", **fields: object
) -> http.HTTPFlow:  # fmt: skip
    """A request as mitmproxy hands it over once it knows where the connection leads."""
    headers = http.Headers([(b"Host", header.encode())] if header is not None else [])
    request = tutils.treq(path=path.encode("utf-8", "surrogateescape"), host=host, port=port, headers=headers, scheme=b"http")
    request.authority = ""
    for name, value in fields.items():
        setattr(request, name, value)
    made = tflow.tflow(req=request)
    made.client_conn.timestamp_tls_setup = 1.0 if tls else None
    made.client_conn.tls = tls
    made.client_conn.proxy_mode = ProxyMode.parse(mode)
    return made


@pytest.mark.parametrize(
    ("request_", "url"),
    [
        (flow(), "https://assets.example/a"),
        (flow(header="ASSETS.example."), "https://assets.example/a"),
        (flow(header="assets.example:443"), "https://assets.example/a"),
        (flow(port=8443, header="assets.example:8443"), "https://assets.example:8443/a"),
        (flow(host="::1", header="[::1]"), "https://[::1]/a"),
        (flow(tls=False, port=80), "http://assets.example/a"),
        (flow(header=None), "https://assets.example/a"),
        (flow("/a?b=c&d"), "https://assets.example/a?b=c&d"),
    ],
)
def test_the_url_is_that_of_the_connection(request_: http.HTTPFlow, url: str) -> None:
    """Scheme and host come from the connection, the path from the head."""
    assert meant(request_) == (url, "")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (flow(header="other.example"), "421"),
        (flow(header="assets.example:8443"), "421"),
        (flow(header="assets.example, other.example"), "421"),
        (flow(header="@"), "421"),
        (flow(header=None, mode="reverse:tls://refused.invalid:443"), "421"),
        (flow("/" + "x" * 9000), "414"),
        (flow("/\udcff"), "400"),
        (flow("/ü"), "400"),
        (flow("/a b"), "400"),
        (flow(tls=False, port=443), "400"),
        (flow(http_version="HTTP/2.0"), "400"),
        (flow(method="TRACE"), "501"),
        (flow(method="ÜBER"), "501"),
        (flow(headers=http.Headers([(b"X-%d" % number, b"x") for number in range(101)])), "431"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(request_: http.HTTPFlow, status: str) -> None:
    """The refusal begins with its status, and URL and reason fit into a header."""
    url, refusal = meant(request_)
    assert refusal.split(" ")[0] == status
    assert (url + refusal).isascii()
    assert (url + refusal).isprintable()


class Place:
    """An origin or a relay, as far as handing over looks at it."""

    token = "token"

    def __init__(self, port: int) -> None:
        self.address = ("127.0.0.1", port)


def hand_over() -> HandOver:
    """An addon between an origin at port 1 and a relay at port 2."""
    return HandOver(Place(1), Place(2))  # type: ignore[arg-type]


def test_a_client_cannot_pretend_to_be_the_proxy() -> None:
    """Headers of ours that a client sends are replaced, in any case of letters and however often they come."""
    made = flow()
    for name in ("Drydock-Url", "drydock-url", "DRYDOCK-TOKEN", "drydock-client", "drydock-refusal", "drydock-tap"):
        made.request.headers.add(name, "forged")
    hand_over().requestheaders(made)
    assert "forged" not in str(made.request.headers.fields)
    assert made.request.headers["drydock-url"] == "https://assets.example/a"
    assert (made.request.scheme, made.request.host, made.request.port, made.request.path) == ("http", "127.0.0.1", 1, "/")
    assert made.request.stream


@pytest.mark.parametrize("address", [("127.0.0.1", 3), ("assets.example", 443), ("refused.invalid", 443), None])
def test_mitmproxy_connects_to_nothing_else(address: tuple[str, int] | None) -> None:
    """Every address but those of the origin and the relay is refused: a hook that failed must not open a way out."""
    data = ServerConnectionHookData(server=connection.Server(address=address), client=tflow.tclient_conn())
    hand_over().server_connect(data)
    assert data.server.error
    for port in (1, 2):
        allowed = ServerConnectionHookData(server=connection.Server(address=("127.0.0.1", port)), client=tflow.tclient_conn())
        hand_over().server_connect(allowed)
        assert allowed.server.error is None


def test_an_answer_always_has_a_cache_status() -> None:
    """What the origin's parser answered by itself is given one, and everything is streamed."""
    made = flow()
    made.response = http.Response.make(400, b"", {})
    hand_over().responseheaders(made)
    assert made.response.headers["Cache-Status"] == "drydock; fwd=bypass; detail=request"
    assert made.response.stream
