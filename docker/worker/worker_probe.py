"""Let each client of this image ask for something through the proxy, look at the sealed network, and print it all as JSON.

worker-entrypoint python3 /usr/local/lib/drydock/worker_probe.py [URL]    what `drydock doctor` judges (make doctor)

URL is a place below a host that the proxy intercepts, where nothing lies: an answer of any status is what is hoped for.
"""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

NOTHING = "drydock-doctor-asks-for-nothing"
URL = f"https://pyodide-capnp-bin.edgeworker.net/{NOTHING}/"
SECONDS = 15.0  # for each client; Node's take their time on a busy machine
_KEPT = 4000  # characters of what a client says
_OUTSIDE = ("192.0.2.1", 9)  # nobody's (RFC 5737); only the route to it is looked up, and no packet sent

_PYTHON = """
import sys, urllib.error, urllib.request
try: print("HTTP", urllib.request.urlopen(sys.argv[1], timeout=12).status)
except urllib.error.HTTPError as error: print("HTTP", error.code)
"""
_NODE = """
fetch(process.argv[1]).then(answer => console.log("HTTP", answer.status), error => {
  console.error(String(error), error.cause?.code ?? "", error.cause?.message ?? ""); process.exitCode = 1 })
"""
_WORKER = """export default { async fetch() {
  try { return new Response("HTTP " + (await fetch(%s)).status) } catch (error) { return new Response(String(error), { status: 500 }) }
} }
"""
# `internet` as miniflare sets it up: the names lead to the proxy, whose address is a private one.
_CONFIG = """using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (modules = [(name = "main.js", esModule = embed "main.js")], compatibilityDate = "2024-09-01")),
    (name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true)))],
  sockets = [(name = "http", address = "127.0.0.1:0", service = "main")]);
"""

VERSIONS: dict[str, list[str]] = {
    "node": ["node", "--version"],
    "python": ["python3", "--version"],
    "uv": ["uv", "--version"],
    "workerd": ["workerd", "--version"],
}


def commands(url: str, scratch: str) -> dict[str, list[str]]:
    """Return how each client is told to ask; none keeps anything, and none but pip tries again."""
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--no-cache-dir", "--no-deps"]
    return {
        "curl": ["curl", "--silent", "--show-error", "--output", "/dev/null", "--write-out", "HTTP %{http_code}\n", url],
        "python": ["python3", "-c", _PYTHON, url],
        "uv": ["uv", "pip", "compile", "--color", "never", "--no-cache", "--no-header", f"{scratch}/requirements.in"],
        # with none pip says nothing of a connection that failed, and only that it found no such package
        "pip": [*pip, "--retries", "1", "--timeout", "12", "--dest", scratch, NOTHING],
        "npm": ["npm", "view", NOTHING, "version", "--fetch-retries=0", "--fetch-timeout=12000", f"--cache={scratch}/npm"],
        "node": ["node", "-e", _NODE, url],
        "git": ["git", "ls-remote", url],
    }


def run(name: str, command: list[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Run one client and say how it ended; it and what it started end with its time."""
    if shutil.which(command[0]) is None:
        return {"name": name, "there": False}
    began = time.monotonic()
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    ) as process:
        timed_out = False
        try:
            said, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            timed_out = True
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
    text = re.sub(r"\x1b\[[0-9;]*m", "", said.decode(errors="replace"))
    return _ended(name, process.returncode, text, began, timed_out=timed_out)


def run_workerd(url: str, scratch: Path) -> dict[str, Any]:
    """Let workerd itself fetch the URL, from a Worker of three lines; it says on a descriptor of its own where it listens."""
    workerd = shutil.which("workerd")
    if workerd is None:
        return {"name": "workerd", "there": False}
    (scratch / "main.js").write_text(_WORKER % json.dumps(url))
    (scratch / "config.capnp").write_text(_CONFIG)
    began = time.monotonic()
    read_end, write_end = os.pipe()
    with (scratch / "workerd.log").open("wb") as log:
        process = subprocess.Popen(
            [workerd, "serve", f"--control-fd={write_end}", "config.capnp"],
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[write_end],
        )
    os.close(write_end)
    killer = _end_after(process)
    answer, timed_out = "", False
    try:
        with os.fdopen(read_end) as control:
            line = control.readline()  # ends with the process, which ends with its time
        if line:
            connection = http.client.HTTPConnection("127.0.0.1", json.loads(line)["port"], timeout=SECONDS)
            connection.request("GET", "/")
            answer = connection.getresponse().read().decode(errors="replace")
    except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
        answer = f"no answer: {error}"
        timed_out = time.monotonic() - began >= SECONDS
    finally:
        killer()
    said = f"{(scratch / 'workerd.log').read_text(errors='replace')}\n{answer}"
    return _ended("workerd", 0 if answer.startswith("HTTP ") else 1, said, began, timed_out=timed_out)


def look_at_network(url: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Look at the routes and names of this container, without sending a packet outside."""
    proxy = urlsplit(environment.get("HTTPS_PROXY", "")).hostname or ""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            any_socket.connect(_OUTSIDE)
            route = any_socket.getsockname()[0]
        except OSError:
            route = ""
    allowed, nonsense = addresses(urlsplit(url).hostname or ""), addresses(f"{NOTHING}.example.com.")
    return {"proxy": proxy, "route": route, "allowed": allowed, "nonsense": nonsense}


def addresses(name: str) -> list[str]:
    """Look a name up; none where it is not found."""
    try:
        return sorted({str(entry[4][0]) for entry in socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)})
    except OSError:
        return []


def versions() -> dict[str, str]:
    """Ask the programs of the image for their versions; those of packages are read where they lie."""
    found = {name: _said_by(command) for name, command in VERSIONS.items()}
    try:
        manifest = Path("/opt/toolchain/node_modules/wrangler/package.json").read_text(encoding="utf-8")
        found["wrangler"] = json.loads(manifest)["version"]
    except (OSError, ValueError, KeyError):
        found["wrangler"] = ""
    packages = [path.name for path in Path("/opt/pywrangler").glob("lib/python3.*/site-packages/workers_py-*.dist-info")]
    found["pywrangler"] = packages[0].removesuffix(".dist-info").partition("-")[2] if packages else ""
    return found


def probe(url: str) -> dict[str, Any]:
    """Do all of it at once."""
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    with tempfile.TemporaryDirectory(prefix="drydock-probe-") as folder, ThreadPoolExecutor(12) as pool:
        scratch = Path(folder)
        (scratch / "requirements.in").write_text(f"{NOTHING}\n")
        clients = [pool.submit(run, name, command, environment) for name, command in commands(url, folder).items()]
        clients.append(pool.submit(run_workerd, url, scratch))
        network = pool.submit(look_at_network, url, os.environ)
        asked = pool.submit(versions)
        return {
            "clients": [client.result() for client in clients],
            "network": network.result(),
            "versions": asked.result(),
        }


def _said_by(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + done.stderr).strip()[:200]


def _end_after(process: subprocess.Popen[bytes]) -> Callable[[], None]:
    """End the process when its time is over; what is returned ends it now."""
    signalled = ThreadPoolExecutor(1)

    def watch() -> None:
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()

    signalled.submit(watch)

    def end() -> None:
        process.kill()
        process.wait()
        signalled.shutdown()

    return end


def _ended(name: str, code: int, said: str, began: float, *, timed_out: bool) -> dict[str, Any]:
    seconds = round(time.monotonic() - began, 2)
    return {"name": name, "there": True, "code": code, "said": said[-_KEPT:], "timed_out": timed_out, "seconds": seconds}


if __name__ == "__main__":
    print(json.dumps(probe(sys.argv[1] if len(sys.argv) > 1 else URL)))
