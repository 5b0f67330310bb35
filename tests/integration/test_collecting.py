"""Garbage collection beside a proxy that serves: every client gets right bytes, and the store is whole afterwards."""

import json
import random
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.integration.running import RunningProxy, drydock, plain_environment
from tests.integration.ways import Way, ask
from tests.upstream.scripted import Upstream

POLICY = 'pin = ["assets.example"]\n'
FILES, SIZE = 12, 40_000
ROUNDS = 5


def test_clients_get_right_bytes_while_the_store_is_collected(
    start_proxy: Callable[..., RunningProxy], start_upstream: Callable[..., Upstream], tmp_path: Path
) -> None:
    """Hits, misses and evictions at the same time; what went is fetched again, and verify finds nothing wrong."""
    upstream = start_upstream("assets.example")
    bodies = {f"/{number}": random.Random(number).randbytes(SIZE) for number in range(FILES)}
    for path, body in bodies.items():
        upstream.route(path, body)
    proxy = start_proxy(POLICY, resolve=upstream.resolve, upstream_ca=upstream.write_ca(tmp_path / "internet.pem"))
    config = next(proxy.directory.glob("drydock-*.toml"))

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [drydock(), *arguments, "--store", str(proxy.store), "--config", str(config)]
        return subprocess.run(
            command, cwd=tmp_path, env=plain_environment(tmp_path), capture_output=True, text=True, timeout=60, check=False
        )

    def fetch(path: str) -> bool:
        return ask(proxy, random.choice(list(Way)), f"https://assets.example{path}").body == bodies[path]

    with ThreadPoolExecutor(6) as pool:
        for _ in range(ROUNDS):
            asked = [pool.submit(fetch, path) for path in random.sample(list(bodies) * 2, 18)]
            collected = run("gc", "--max-size", str(SIZE * 3))
            assert collected.returncode in (0, 1), collected.stderr  # 1: what clients use at this moment stays
            assert all(one.result() for one in asked)
    assert run("gc", "--max-size", str(SIZE * 3)).returncode == 0
    report = json.loads(run("verify", "--json").stdout)
    assert (report["wrong"], report["findings"]) == (0, [])
    assert report["bytes"] <= SIZE * 3
    assert upstream.count("/0") + upstream.count("/1") > 2, "nothing was evicted and fetched again"
