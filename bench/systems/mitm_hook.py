"""mitmproxy with the addon that one would write first: keep each response, and answer with Response.make in a hook."""

import shutil
import sys
from pathlib import Path

from bench.place import HOST, Place, Running
from tests.integration.running import plain_environment
from tests.upstream.child import Child, accepts, free_port

_ADDON = Path(__file__).with_name("plain_addon.py")


def start(place: Place, name: str) -> Running:
    """Start it with nothing kept; its CA, and so its leaves, are EC P-256."""
    own, port, connect = place.folder("mitm"), free_port(), free_port()
    (own / "mitmproxy-ca.pem").write_bytes(place.authority.key + place.authority.certificate)
    beside = Path(sys.executable).with_name("mitmdump")
    command = [str(beside) if beside.exists() else shutil.which("mitmdump") or "mitmdump", "--quiet", "--scripts", str(_ADDON)]
    command += ["--mode", f"reverse:https://{HOST}@127.0.0.1:{port}", "--mode", f"regular@127.0.0.1:{connect}"]
    settings = {
        "confdir": own,
        "connection_strategy": "lazy",
        "ssl_verify_upstream_trusted_ca": place.ca,
        "bench_origin_port": place.origin_port,
    }
    for option, value in settings.items():
        command += ["--set", f"{option}={value}"]
    child = Child(command, own / "mitmdump.log", lambda: accepts(port) and accepts(connect), plain_environment(own))
    return Running(name, place.stack.enter_context(child), port, connect, place.ca)
