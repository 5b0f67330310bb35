"""The stack's files agree about which Workers there are; nothing is started."""

import json
import re

import pytest

from tests.compose import REPOSITORY, Project

WORKERS = sorted(
    file.parent.name for file in (REPOSITORY / "workers").glob("*/wrangler.jsonc") if file.parent.name != "template"
)


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, object]]:
    """What compose makes of compose.yml."""
    text = Project("services", ["compose.yml"]).compose("config", "--format", "json").stdout
    found: dict[str, dict[str, object]] = json.loads(text)["services"]
    return found


@pytest.mark.parametrize("worker", WORKERS)
def test_each_worker_is_a_service_that_is_planned_for_and_published(
    services: dict[str, dict[str, object]], worker: str
) -> None:
    """A folder of workers/ with a wrangler configuration has a service, a port of its own, a place in the gateway and in the plan."""
    environment = services[worker]["environment"]
    assert isinstance(environment, dict)
    port = environment["PORT"]
    ports = services["gateway"]["ports"]
    assert isinstance(ports, list)
    assert [str(one["target"]) for one in ports].count(port) == 1
    sections = (REPOSITORY / "docker" / "gateway.cfg").read_text()
    assert re.search(rf"^listen {worker}\n  bind :{port}\n  server worker {worker}:{port}$", sections, re.MULTILINE)
    command = services["plan"]["command"]
    assert isinstance(command, list)
    assert f"/workers/{worker}" in command


@pytest.mark.parametrize("worker", WORKERS)
def test_no_worker_sees_anothers_sources_or_can_write_to_its_own(services: dict[str, dict[str, object]], worker: str) -> None:
    """Beside its own folder it gets the kit, read-only; .dev.vars of another Worker is not in its container."""
    volumes = services[worker]["volumes"]
    assert isinstance(volumes, list)
    mounted = [volume for volume in volumes if volume["type"] == "bind"]
    folders = REPOSITORY / "workers"
    assert {volume["source"] for volume in mounted} <= {str(folders / name) for name in (worker, f"{worker}/src", "kit")}
    assert all(volume["read_only"] for volume in mounted)
