"""Run a workerd that downloads its bundle where every name leads to an impostor: python -m … WORKERD HOST PERMITTED AGE.

HOST is whom the impostor plays, PERMITTED whom the CA may speak for, AGE how many days ago it made the leaf. Prints as JSON
what was asked for over a handshake that was accepted, and what the runtime said.
"""

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from drydock_cache.sources.closed_place import closed_place
from drydock_cache.sources.loopback_world import LOOPBACK, dns_answer

from tests.integration.impostor import Impostor, stolen

_CONFIG = """using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "worker.py", pythonModule = embed "worker.py")],
    compatibilityDate = "2024-10-01", compatibilityFlags = ["python_workers"]))],
  sockets = [(name = "http", address = "127.0.0.1:0", service = "main")]);
"""


def _answer_names(server: socket.socket) -> None:
    while True:
        query, client = server.recvfrom(512)
        if answer := dns_answer(query):
            server.sendto(answer, client)


def main(workerd: str, host: str, permitted: str, age: str) -> None:
    """Hold the conversation, which ends with the runtime: what it is given is no bundle."""
    with tempfile.TemporaryDirectory() as folder, closed_place(Path(folder)), contextlib.ExitStack() as stack:
        place = Path(folder)
        shown = stolen([permitted], host, age=float(age))
        (place / "root.pem").write_bytes(shown.root)
        (place / "config.capnp").write_text(_CONFIG)
        (place / "worker.py").write_text("async def on_fetch(request, env):\n    return None\n")
        impostor = stack.enter_context(Impostor(shown, (LOOPBACK, 443)))
        names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        names.bind((LOOPBACK, 53))
        threading.Thread(target=_answer_names, args=(names,), daemon=True).start()
        done = subprocess.run(
            [workerd, "serve", "--experimental", "config.capnp"],
            cwd=place,
            env={"SSL_CERT_FILE": str(place / "root.pem")},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        print(json.dumps({"asked": impostor.asked, "said": done.stdout + done.stderr}))


if __name__ == "__main__":
    main(*sys.argv[1:])
