"""No service has more rights than its work needs, whichever override it is started with, and no layer of an image holds a key."""

import json
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compose import REPOSITORY, Project
from tests.e2e.stack import RUNTIME_2024, declare_stack

pytestmark = pytest.mark.timeout(600)

OVERRIDES = [[], *([file.name] for file in sorted((REPOSITORY / "docker").glob("*.compose.yml")))]
# Settings without which an override does not say what it would start.
NEEDED = {
    "DRYDOCK_BIND": "127.0.0.9",
    "DRYDOCK_TEAM": "10.20.0.0/16",
    "DRYDOCK_TOKEN": "/dev/null",
    "CERTIFY_STORE": "x",
    "DRYDOCK_TAG": "x",
}
# plan answers names itself, for which /etc/resolv.conf of its own container must be written; it has no network and no capability.
WRITABLE = {"plan"}
KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s+(?:[A-Za-z0-9+/=]{40,}\s+){2}")

# Keys that everybody has: they come inside a package, and protect nothing.
PUBLISHED = re.compile(
    "opt/toolchain/node_modules/miniflare/dist/src/index.js"  # of wrangler dev --local-protocol https
    r"|usr/lib/[^/]+/libgnutls\.so\.[\d.]+"  # of what GnuTLS tests itself with when it starts; git's
)


def services(overrides: list[str]) -> dict[str, dict[str, Any]]:
    """Return what compose would start, every profile included."""
    files = [word for file in ["compose.yml", *(f"docker/{name}" for name in overrides)] for word in ("--file", file)]
    command = ["env", *(f"{name}={value}" for name, value in NEEDED.items()), "docker", "compose", *files, "--profile", "*"]
    done = subprocess.run([*command, "config", "--format", "json"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    return found


@pytest.mark.parametrize("overrides", OVERRIDES, ids=lambda names: "+".join(names) or "compose.yml")
def test_every_service_is_bound(overrides: list[str]) -> None:
    """No capability, no new privileges, a read-only root, and an end to its processes and memory."""
    for name, service in services(overrides).items():
        rights = (service.get("cap_drop"), service.get("cap_add"), service.get("security_opt"), service.get("privileged"))
        assert rights == (["ALL"], None, ["no-new-privileges:true"], None), name
        assert service.get("read_only", False) is (name not in WRITABLE), name
        assert 0 < service["pids_limit"] <= 512, name
        assert 0 < int(service["mem_limit"]) <= 4 << 30, name


def test_ports_are_published_to_this_machine_alone() -> None:
    """Nothing that compose publishes is reached from other machines."""
    for name, service in services([]).items():
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", ())), name


def test_what_runs_has_no_rights(declare_project: Callable[..., Project], tmp_path: Path) -> None:
    """From inside: not root, not a single capability, no way to gain one, and no writable root."""
    stack = declare_stack(declare_project, tmp_path, "hardened", 119, RUNTIME_2024)
    stack.project.up("internet")
    stack.project.up("proxy", "hello-js", "gateway")
    script = (
        "id -u; sed -n 's/^CapEff:[[:space:]]*//p; s/^CapBnd:[[:space:]]*//p; s/^NoNewPrivs:[[:space:]]*//p' /proc/self/status;"
        "for place in / /etc /usr /opt; do (: > $place/written) 2>/dev/null && echo $place; done"
    )
    for service in ("proxy", "hello-js", "gateway"):
        user, *told = stack.project.exec(service, "sh", "-c", script, check=False).stdout.split()
        assert int(user) > 0, service
        assert told == ["0000000000000000", "0000000000000000", "1"], service


def layers(image: str) -> Iterator[tuple[str, tarfile.TarFile]]:
    """Unpack an image as the engine keeps it: each layer, also of what later layers removed."""
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
        with tarfile.open(fileobj=saved.stdout, mode="r|") as outer:
            for member in outer:
                file = outer.extractfile(member) if member.isfile() else None
                if file is None or member.name.endswith((".json", "repositories", "oci-layout")):
                    continue
                try:
                    layer = tarfile.open(fileobj=file, mode="r|*")  # noqa: SIM115  (a view of `file`)
                except tarfile.ReadError:  # the image's own descriptions, which have no ending in newer engines
                    continue
                yield member.name, layer
        saved.wait(60)


def test_no_layer_of_an_image_holds_a_key(declare_project: Callable[..., Project], tmp_path: Path) -> None:
    """Every file of every layer, also of those that a later instruction removed."""
    declare_stack(declare_project, tmp_path, "layers", 120, RUNTIME_2024).project.build()
    for image in ("drydock-proxy:test-2024", "drydock-worker:test-2024", "drydock-gateway:test-2024"):
        read = 0
        for layer, files in layers(image):
            for member in files:
                content = files.extractfile(member) if member.isfile() and not PUBLISHED.fullmatch(member.name) else None
                if content is not None:
                    read += 1
                    assert not KEY.search(content.read()), f"{image}, {layer}: {member.name}"
        assert read > 1000, image
