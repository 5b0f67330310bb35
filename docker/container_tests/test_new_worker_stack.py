"""compose.yml and the gateway's configuration with one Worker more: real compose reads the one, and nothing else has changed."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from new_worker.names import Name
from new_worker.refusal import RefusedError
from new_worker.stack import PORTS, free_port, traces, with_section, with_service

from tests.repository_copy import REPOSITORY

COMPOSE = (REPOSITORY / "compose.yml").read_text()
GATEWAY = (REPOSITORY / "docker/gateway.cfg").read_text()
ZOO = Name("zoo-two")


def config(folder: Path, text: str) -> dict[str, Any]:
    """Return what compose makes of a compose.yml; it needs no engine for that."""
    (folder / "compose.yml").write_text(text)
    command = ["docker", "compose", "--file", "compose.yml", "config", "--format", "json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_compose_sees_one_worker_more_and_everything_else_unchanged(tmp_path: Path) -> None:
    """The new service is what hello-starlette's is, with its own name and port."""
    port = free_port(COMPOSE, GATEWAY)
    before, after = config(tmp_path, COMPOSE), config(tmp_path, with_service(COMPOSE, ZOO, port))
    like = json.dumps(before["services"]["hello-starlette"]).replace("hello-starlette", "zoo-two").replace("8784", str(port))
    assert after["services"].pop("zoo-two") == json.loads(like)
    assert after["services"]["plan"]["command"].pop() == "/workers/zoo-two"
    published = after["services"]["gateway"]["ports"].pop()
    assert (published["host_ip"], published["published"], published["target"]) == ("127.0.0.1", str(port), port)
    assert after["volumes"].pop("zoo-two-work") == {"name": f"{after['name']}_zoo-two-work"}
    assert after == before


def test_every_line_that_was_there_stays_in_its_place() -> None:
    """Comments too: the lines that are left after taking the new ones out are the old file."""
    after = with_service(COMPOSE, ZOO, 8799).splitlines()
    lines = iter(after)
    assert all(line in lines for line in COMPOSE.splitlines())
    assert [line for line in after if "zoo-two" in line.lower().replace("_", "-")] == [
        "      - /workers/zoo-two",
        "      - 127.0.0.1:${DRYDOCK_ZOO_TWO_PORT:-8799}:8799",
        "  zoo-two:",
        "      - ./workers/zoo-two:/drydock/worker:ro",
        "      - ./workers/zoo-two/src:/worker/src:ro",
        "      - zoo-two-work:/worker",
        "  zoo-two-work: {}",
    ]


def test_the_gateway_leads_the_port_to_the_worker(tmp_path: Path) -> None:
    """One section more and nothing else; HAProxy takes the file, also with the longest name."""
    section = "listen zoo-two\n  bind :8799\n  server worker zoo-two:8799\n\n"
    after = with_section(GATEWAY, ZOO, 8799)
    assert after.count(section) == 1
    assert after.replace(section, "") == GATEWAY
    (tmp_path / "gateway.cfg").write_text(with_section(after, Name("a" * 63), 8798))
    checked = subprocess.run(["haproxy", "-c", "-f", "gateway.cfg"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (checked.returncode, "WARNING" in checked.stderr) == (0, False), checked.stdout + checked.stderr


def test_line_ends_of_windows_stay() -> None:
    after = with_service(COMPOSE.replace("\n", "\r\n"), ZOO, 8799)
    assert after.count("\n") == after.count("\r\n")
    assert after.replace("\r\n", "\n") == with_service(COMPOSE, ZOO, 8799)


@pytest.mark.parametrize(
    "marker", ["      # make new adds ports above this line\n", "  # make new adds Workers above this line\n"]
)
def test_a_file_without_its_marks_is_refused(marker: str) -> None:
    with pytest.raises(RefusedError, match=r"compose\.yml has 0 lines '.*', expected one: put it back"):
        with_service(COMPOSE.replace("\n" + marker, "\n"), ZOO, 8799)


def test_the_first_port_that_nobody_mentions_is_free() -> None:
    assert free_port("") == PORTS[0]
    assert free_port("PORT: 8784", "bind :8785\nbind :8787") == 8786
    assert free_port("87840 18784 8784x") == 8785


def test_when_the_range_ends_the_user_is_told() -> None:
    with pytest.raises(RefusedError, match=r"no port is free: .* use all from 8784 to 8799; remove a Worker, or widen PORTS"):
        free_port(" ".join(map(str, PORTS)))


def test_no_worker_of_the_stack_has_a_port_outside_the_range() -> None:
    services = [line for line in COMPOSE.splitlines() if "PORT: " in line and "worker-environment" in line]
    assert len(services) > 3
    assert all(int(line.partition("PORT: ")[2][:4]) in PORTS for line in services)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("proxy", ["a service proxy in compose.yml"]),
        ("warm", ["a service warm in compose.yml"]),
        ("health", ["a section health in docker/gateway.cfg"]),
        ("status", ["DRYDOCK_STATUS_PORT in compose.yml"]),
        ("store", []),
        ("zoo-two", []),
        (
            "hello",
            [
                "a service hello in compose.yml",
                "a volume hello-work in compose.yml",
                "/workers/hello in the plan of compose.yml",
                "DRYDOCK_HELLO_PORT in compose.yml",
                "a section hello in docker/gateway.cfg",
            ],
        ),
    ],
)
def test_every_place_that_has_a_name_already_is_found(name: str, words: list[str]) -> None:
    assert traces(Name(name), COMPOSE, GATEWAY) == words
