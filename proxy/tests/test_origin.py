"""The origin's answers as they go over the wire."""

import asyncio
from pathlib import Path

from drydock_cache.exchange import Exchange
from drydock_cache.mode import Mode
from drydock_cache.policy import Policy
from drydock_cache.store import Store
from drydock_cache.upstream import Upstream
from drydock_cache.upstream_settings import UpstreamSettings
from drydock_proxy.origin import CLIENT, REFUSAL, TOKEN, URL, Origin
from drydock_proxy.tally import Tally


def request(origin: Origin, method: str, url: bytes, refusal: str = "") -> bytes:
    """Return a request as the front hands it over."""
    lines = [f"{method} / HTTP/1.1", "host: origin.invalid", f"{TOKEN}: {origin.token}", f"{CLIENT}: 127.0.0.1"]
    lines += [f"{REFUSAL}: {refusal}"] if refusal else []
    return "\r\n".join(lines).encode() + b"\r\n" + URL.encode() + b": " + url + b"\r\n\r\n"


async def test_an_answer_to_head_has_no_content_whatever_it_says(tmp_path: Path) -> None:
    """Refused, not there, or named in bytes that are no text: what follows on the connection is the next answer's head."""
    store = Store.open(tmp_path / "store")
    upstream = Upstream(UpstreamSettings(mode=Mode.OFFLINE))
    origin = Origin(Exchange(store, upstream, Policy.parse('pin = ["assets.example"]', "drydock.toml")), Tally())
    await origin.start()
    try:
        reader, writer = await asyncio.open_connection(*origin.address)
        asked = [
            (b"https://assets.example/a", ""),
            (b"https://assets.example/\xff", "400 It is no URL."),
            (b"https://x.example/", ""),
        ]
        for url, refusal in asked:
            writer.write(request(origin, "HEAD", url, refusal))
        writer.write(request(origin, "GET", b"https://assets.example/a"))
        statuses = []
        async with asyncio.timeout(5):
            for _ in range(4):
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 "), head
                assert b"Content-Length: " in head
                statuses.append(int(head.split(b" ")[1]))
        assert statuses == [504, 400, 403, 504]
        writer.close()
    finally:
        await origin.stop()
        await upstream.aclose()
        store.close()
