"""Two clones beside each other, and the README's commands typed in them: from an empty store to a machine that has only the file."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import pytest

from tests.compose import PREFIX
from tests.e2e.stack import PLAYED, RUNTIME_2024, STACK_2024
from tests.internet.build_www import BUNDLE
from tests.repository_copy import clone

pytestmark = pytest.mark.timeout(900)

# Every Worker that can be driven here: the real runtime of 2024 with and without packages, and JavaScript on the newest one.
WORKERS = ("hello", "outside", "fastapi", "hello-js")
ZERO = r"^0 upstream connections, [1-9]\d* hits, 0 misses;"
MISSING = "https://pyodide.runtime-playground.workers.dev/pyodide-capnp-bin/missing.capnp.bin"
# In a Worker's container: how long a miss takes, and what its body is.
MISS = """
import sys, time, urllib.error, urllib.request
begun = time.monotonic()
try:
    urllib.request.urlopen(sys.argv[1], timeout=30)
except urllib.error.HTTPError as error:
    print(error.code, time.monotonic() - begun)
    print(error.read().decode())
"""
CLIENT = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class Clone:
    """A folder that somebody cloned the project into, and what their shell sets."""

    folder: Path
    settings: Mapping[str, str]

    @property
    def name(self) -> str:
        """The compose project's name: that of the folder, which nobody has to set."""
        return self.folder.name

    def run(self, line: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Type a line in the folder, with nobody at the terminal."""
        settings = {**os.environ, **self.settings, **env}
        for name in ("COMPOSE_PROJECT_NAME", "DRYDOCK_TAG"):
            settings.pop(name, None)
        return subprocess.run(
            ["sh", "-c", line], cwd=self.folder, env=settings, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip

    def typed(self, line: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Type a line that must succeed."""
        done = self.run(line, **env)
        assert done.returncode == 0, f"{line}:\n{done.stdout}{done.stderr}"
        return done

    def images(self) -> dict[str, str]:
        """Return the project's images by name, with their ids; empty where there is none."""
        names = self.typed("docker compose config --images | sort -u").stdout.split()
        return {name: self.run(f"docker image inspect --format '{{{{.Id}}}}' {name}").stdout.strip() for name in names}

    def status(self, worker_port: int) -> int:
        """Ask a Worker on its published port."""
        port = self.typed(f"docker compose port gateway {worker_port}").stdout.strip().rpartition(":")[2]
        try:
            with CLIENT.open(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code

    def remove(self) -> None:
        """Take everything of it away."""
        names = [name for name, known in self.images().items() if known]
        self.typed('docker compose --profile "*" down --volumes --remove-orphans --timeout 5')
        self.run(f"docker image rm --force {' '.join(names)}")


def newcomer(folder: Path, network: int, files: tuple[str, ...]) -> Clone:
    """Clone into a folder, with a policy that allows what plays the internet."""
    clone(folder)
    policy = folder / "drydock.toml"
    policy.write_text(f"{policy.read_text()}\n[upstream]\nprivate_hosts = {json.dumps(PLAYED)}\n")
    ports = re.findall(r"\$\{(DRYDOCK_\w+_PORT):-", (folder / "compose.yml").read_text())
    versions = {name: text for name, text in RUNTIME_2024.items() if name != "DRYDOCK_TAG"}
    settings = {"COMPOSE_FILE": ":".join(files), "WORKERS": " ".join(WORKERS), "E2E_POLICY": "./drydock.toml"}
    networks = {"DRYDOCK_NETWORK": f"10.213.{network}", "CERTIFY_NETWORK": f"10.213.{network + 1}", "CERTIFY_WITH": "internet"}
    return Clone(folder, {**versions, **settings, **networks, **dict.fromkeys(ports, "0")})


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A clone on a machine with a network, and an empty store."""
    folder = tmp_path_factory.mktemp("near") / f"{PREFIX}near"
    made = newcomer(folder, 141, (*STACK_2024, "tests/e2e/drivable.compose.yml"))
    try:
        refused = made.run("make airgap-check")
        assert "there is no store yet" in refused.stderr, refused.stderr
        made.typed("docker compose build")
        made.typed("docker compose create proxy")
        made.typed("docker compose up --detach --wait internet")
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A second clone, under another name, on a machine that has never seen a network."""
    folder = tmp_path_factory.mktemp("far") / f"{PREFIX}far"
    files = (*STACK_2024, "tests/e2e/drivable.compose.yml", "tests/e2e/far.compose.yml")
    made = newcomer(folder, 143, files)
    try:
        yield made
    finally:
        made.remove()


def signer(said: str) -> str:
    """Return the line of `make ca` that names the intermediate which signs."""
    return next(line for line in said.splitlines() if line.startswith("signer: "))


def root(said: str) -> str:
    """Return the line of `make ca` that names the root."""
    return next(line for line in said.splitlines() if line.startswith("root: "))


def certificate(clone: Clone, mode: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((clone.folder / ".scratch" / f"certificate-{mode}.json").read_text())
    return found


def test_a_sealed_run_from_an_empty_store_fails_and_says_what_is_missing(near: Clone) -> None:
    """The check can fail: the bundle is listed, and nothing was tried. workerd asks for it, since no view has it on disk."""
    done = near.run("make airgap-check WORKERS=hello", E2E_RUNTIME_VIEW="")
    assert "Error 3" in done.stderr, done.stdout + done.stderr
    assert f"{BUNDLE.rpartition('/')[2]}: 504, asked by 10.213.142." in done.stdout
    found = certificate(near, "offline")
    assert (found["mode"], found["upstream_connections"], found["hits"]) == ("offline", 0, 0)
    assert found["misses"]


def test_a_rehearsal_of_every_worker_lists_each_miss_with_who_asked(near: Clone) -> None:
    """One after the other Workers have the same address; ADD=1 puts what was missed into the lock, registries' apart."""
    done = near.run("make rehearse ADD=1", E2E_RUNTIME_VIEW="")
    assert done.stderr.count("the Worker answers / with") == len(WORKERS), done.stderr
    misses = [line for line in done.stdout.splitlines() if line.startswith("miss: ")]
    assert any(f"{BUNDLE.rpartition('/')[2]}: 200, asked by hello (10.213.142." in line for line in misses), done.stdout
    packages = [line for line in misses if "fastapi" in line.partition(": 200")[0]]
    assert packages
    assert all(", asked by " in line for line in packages), packages
    found = certificate(near, "rehearsal")
    assert (found["mode"], found["misses"]) == ("rehearsal", len(misses)), done.stdout
    assert "Error 3" in done.stderr
    assert BUNDLE in (near.folder / "assets.lock").read_text()
    assert ".whl" in (near.folder / "assets.registry.lock").read_text()


def test_after_the_rehearsal_every_worker_starts_sealed(near: Clone) -> None:
    """0 upstream connections, N hits, 0 misses, from empty volumes; the certificate says so with versions and lock."""
    done = near.run("make airgap-check", E2E_RUNTIME_VIEW="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("the Worker answers / with") == len(WORKERS)
    assert re.search(ZERO, done.stdout.splitlines()[-1]), done.stdout
    found = certificate(near, "offline")
    assert [found[name] for name in ("upstream_connections", "misses")] == [0, 0], done.stdout
    assert isinstance(found["versions"], dict)
    assert {"drydock", "mitmproxy", "workerd", "wrangler"} <= found["versions"].keys()
    assert found["lock"]


def test_make_lock_is_stable_and_its_check_says_entry_by_entry_what_is_out_of_date(near: Clone) -> None:
    """Written twice, the same bytes; what only a rehearsal knows stays in it; an entry that is missing is named."""
    near.typed("make lock")
    lock = near.folder / "assets.lock"
    first = [path.read_bytes() for path in sorted(near.folder.glob("*.lock"))]
    near.typed("make lock")
    assert [path.read_bytes() for path in sorted(near.folder.glob("*.lock"))] == first
    assert "is up to date" in near.typed("make lock CHECK=1").stderr
    assert "asked for in a rehearsal" in (near.folder / "assets.registry.lock").read_text()
    text = lock.read_text()
    urls = re.findall(r'^url = "(.*)"$', text.partition("[[page]]")[0], re.MULTILINE)
    assert urls == sorted(urls)
    lock.write_text(re.sub(r'(?s)\[\[asset\]\]\nurl = "https://pyodide.*?\n\n', "", text))
    assert lock.read_text() != text
    gone = near.run("make lock CHECK=1 2>&1")
    assert (gone.returncode != 0, f"new: https://{BUNDLE}" in gone.stdout) == (True, True), gone.stdout
    lock.write_text(text)


def test_offline_the_workers_answer_and_a_miss_says_what_to_do(near: Clone) -> None:
    """As the README says it: make warm, make up OFFLINE=1; and what looks after the store does so while the proxy serves."""
    near.typed("make warm")
    near.typed("make up OFFLINE=1")
    assert (near.status(8786), near.status(8785)) == (200, 200)
    done = near.typed(f"docker compose exec -T hello-js worker-entrypoint python3 -c '{MISS}' {MISSING}")
    head, _, body = done.stdout.partition("\n")
    status, seconds = head.split()
    assert (status, float(seconds) < 1) == ("504", True), head
    told = json.loads(body)
    assert (told["url"], "offline" in told["reason"], "drydock warm --url" in told["mend"]) == (MISSING, True, True)
    warm = "docker compose run --rm --no-deps warm"
    assert "bundle" in near.typed(f"{warm} status").stdout
    assert ", 0 wrong" in near.typed(f"{warm} verify 2>&1").stdout
    blind = near.run(f"{warm} gc --max-size 10G 2>&1")  # without make, nobody names the second lock
    assert (blind.returncode, "DRYDOCK_REGISTRY_LOCK=./assets.registry.lock" in blind.stdout) == (1, True), blind.stdout
    (near.folder / ".env").write_text("DRYDOCK_REGISTRY_LOCK=./assets.registry.lock\n")
    assert "0 evicted" in near.typed(f"{warm} gc --max-size 10G 2>&1").stdout
    full = near.run(f"{warm} gc --max-size 1M 2>&1")
    assert (full.returncode, "the rest is pinned by the lock" in full.stdout) == (1, True), full.stdout
    assert ", 0 wrong" in near.typed(f"{warm} verify 2>&1").stdout
    assert near.status(8786) == 200


def test_the_keys_that_sign_are_replaced_beneath_a_running_worker(near: Clone) -> None:
    """A Worker's clients go on after make ca-rotate without a word of it; ROOT=1 makes a new root and restarts the Workers."""
    fetch = f"docker compose exec -T hello-js worker-entrypoint python3 -c '{MISS}' {MISSING}"
    first = near.typed("make ca").stdout
    assert "rotations possible today: " in first, first
    assert "Clients need nothing" in near.typed("make ca-rotate 2>&1").stdout
    second = near.typed("make ca").stdout
    assert (signer(second) != signer(first), root(second) == root(first)) == (True, True), first + second
    assert near.typed(fetch).stdout.startswith("504 "), "the Worker's clients trust what signs now"
    assert "There is a new root" in near.typed("make ca-rotate ROOT=1 2>&1").stdout
    assert root(near.typed("make ca").stdout) != root(first)
    near.typed("make up OFFLINE=1")
    assert near.typed(fetch).stdout.startswith("504 "), "the Worker that was restarted trusts the new root"
    assert (near.status(8786), near.status(8785)) == (200, 200)


def test_a_second_clone_shares_neither_volumes_nor_images_nor_containers(near: Clone, far: Clone) -> None:
    """Beside the first one, which runs: whoever clones twice finds nothing of the one in the other."""
    assert near.typed("docker compose ps --services").stdout.split()
    assert not far.typed("docker compose ps --all --services").stdout.strip()
    assert not any(far.images().values())
    assert not set(near.images()) & set(far.images()) - {"drydock-test-internet", "drydock-test-squid"}
    volumes = json.loads(far.typed("docker compose config --format json").stdout)["volumes"]
    assert volumes["store"]["name"] == f"{far.name}_store"
    assert near.name not in json.dumps(volumes)


def test_a_machine_with_nothing_but_the_file_runs_the_workers(near: Clone, far: Clone, tmp_path: Path) -> None:
    """Images and store travel together: no image is built, no registry asked, and the real workerd answers."""
    said = near.typed(f"make export FILE={tmp_path}/team.drydock IMAGES=1").stdout
    signer = re.search(r"signed by (ed25519:[0-9a-f]{64})", said)
    assert signer, said
    carried = near.images()
    near.typed("docker compose down")
    near.typed(f"docker image rm --force {' '.join(carried)}")
    assert not any(near.images().values())
    far.typed(f"make import FILE={tmp_path}/team.drydock KEY={signer[1]}")
    loaded = {name: known for name, known in far.images().items() if known}
    assert {name.partition(":")[0]: known for name, known in loaded.items()}.keys() >= {
        "drydock-proxy",
        "drydock-worker",
        "drydock-gateway",
    }
    assert set(loaded.values()) <= set(carried.values()), "the images are other ones than were carried"
    started = far.run("make up OFFLINE=1")
    assert started.returncode == 0, started.stderr + far.run("docker compose logs --no-color proxy warm").stdout
    assert (far.status(8786), far.status(8785)) == (200, 200)
    assert {name: known for name, known in far.images().items() if known} == loaded, "an image was built"
    stats = far.typed(
        "docker compose exec -T proxy python3 -c 'import urllib.request; print(urllib.request.urlopen(\"http://127.0.0.1:8080/rehearsal\").read().decode())'"
    )
    record = json.loads(stats.stdout)
    assert (record["upstream_connections"], record["misses"]) == (0, 0), record["missed"]
