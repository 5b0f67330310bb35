"""What compose.yml and the gateway's configuration say of Workers, and both with one Worker more. Text, so that comments stay."""

import re

from new_worker.names import Name
from new_worker.refusal import RefusedError

PORTS = range(8784, 8800)
"""The Workers' ports, inside and on the host."""

# The lines above which a Worker is added; how far they are indented tells them apart.
PLAN = "      # make new adds Workers above this line"
PUBLISHED = "      # make new adds ports above this line"
SERVICES = "  # make new adds Workers above this line"
VOLUMES = "  # make new adds volumes above this line"
SECTIONS = "# make new adds Workers above this line"

SERVICE = """\
  {name}:
    <<: *python-worker
    environment: {{ <<: *worker-environment, PORT: {port} }}
    volumes:
      - ./workers/{name}:/drydock/worker:ro
      - ./workers/{name}/src:/worker/src:ro
      - ./workers/kit:/drydock/kit:ro
      - {volume}:/worker
      - store:/drydock/store:ro
      - ca:/drydock/ca:ro

"""
SECTION = """\
listen {name}
  bind :{port}
  server worker {name}:{port}

"""


def free_port(*texts: str) -> int:
    """Return the first port of PORTS that none of `texts` mentions."""
    mentioned = {int(number) for text in texts for number in re.findall(r"(?<!\d)\d{4}(?!\d)", text)}
    free = next((port for port in PORTS if port not in mentioned), None)
    if free is None:
        raise RefusedError(
            f"no port is free: compose.yml and docker/gateway.cfg use all from {PORTS.start} to {PORTS.stop - 1}; "
            "remove a Worker, or widen PORTS in docker/new_worker/stack.py"
        )
    return free


def traces(name: Name, compose: str, gateway: str) -> list[str]:
    """Return where a name is in use already, as words for the user."""
    found = []
    if _keys(compose, "services", name.worker):
        found.append(f"a service {name.worker} in compose.yml")
    if _keys(compose, "volumes", name.volume):
        found.append(f"a volume {name.volume} in compose.yml")
    if re.search(rf"^\s*- /workers/{re.escape(name.worker)}\s*$", compose, re.MULTILINE):
        found.append(f"/workers/{name.worker} in the plan of compose.yml")
    if re.search(rf"\b{name.variable}\b", compose):
        found.append(f"{name.variable} in compose.yml")
    if re.search(rf"^\w+ {re.escape(name.worker)}\s*$", gateway, re.MULTILINE):
        found.append(f"a section {name.worker} in docker/gateway.cfg")
    return found


def with_service(compose: str, name: Name, port: int) -> str:
    """Return compose.yml with the Worker's service, port and volume, and with the Worker in the plan."""
    words = {"name": name.worker, "port": port, "volume": name.volume}
    added = {
        PLAN: f"      - /workers/{name.worker}\n",
        PUBLISHED: f"      - 127.0.0.1:${{{name.variable}:-{port}}}:{port}\n",
        SERVICES: SERVICE.format(**words),
        VOLUMES: f"  {name.volume}: {{}}\n",
    }
    for marker, text in added.items():
        compose = _insert(compose, marker, text, "compose.yml")
    return compose


def with_section(gateway: str, name: Name, port: int) -> str:
    """Return the gateway's configuration with the Worker's port."""
    return _insert(gateway, SECTIONS, SECTION.format(name=name.worker, port=port), "docker/gateway.cfg")


def _insert(text: str, marker: str, added: str, file: str) -> str:
    lines = text.splitlines(keepends=True)
    places = [index for index, line in enumerate(lines) if line.rstrip("\r\n") == marker]
    if len(places) != 1:
        raise RefusedError(
            f"{file} has {len(places)} lines {marker!r}, expected one: put it back where new Workers go, as in the repository's own {file}"
        )
    end = "\r\n" if lines[places[0]].endswith("\r\n") else "\n"
    lines.insert(places[0], added.replace("\n", end))
    return "".join(lines)


def _keys(compose: str, block: str, key: str) -> bool:
    """Tell whether a top-level block has this key."""
    found = re.search(rf"^{block}:[^\n]*\n((?:[ \t#][^\n]*\n|\r?\n)*)", compose + "\n", re.MULTILINE)
    return bool(found and re.search(rf"""^  ["']?{re.escape(key)}["']?\s*:""", found.group(1), re.MULTILINE))
