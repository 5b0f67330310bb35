"""The whole way: one machine locks, warms and exports; another, with the file and nothing else, imports and runs."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.compose import REPOSITORY, Project
from tests.e2e.ci_image import LABEL, ZERO, CiImage, build
from tests.e2e.stack import RUNTIME_2024, STACK_2024, Stack, declare_stack
from tests.pipelines.pipelines import github_commands, gitlab_commands, readme_commands

pytestmark = pytest.mark.timeout(900)

PROXY_IMAGE = f"drydock-proxy:{RUNTIME_2024['DRYDOCK_TAG']}"
VERSIONS = {"fastapi": "0.110.3", "pydantic": "1.10.26"}
TEST_RUNNER = ("uvx", "--with", "pytest-asyncio", "pytest", "--version")
RECORD = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8080/rehearsal').read().decode())"


@dataclass(frozen=True)
class Export:
    """What is carried across, and what is told by another way: the signer."""

    file: Path
    signer: str


@pytest.fixture(scope="module")
def machine_a(declare_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A machine with the played internet, on which FastAPI was synced and served, another Worker synced, a test runner installed."""
    stack = declare_stack(declare_project, tmp_path_factory.mktemp("machine-a"), "air-gap-a", 121, RUNTIME_2024)
    stack.project.build()
    stack.project.up("internet")
    stack.project.up("fastapi", seconds=800)
    assert stack.inside("fastapi", "/versions")[0] == 200
    stack.project.compose("run", "--rm", "--no-deps", "fastapi", *TEST_RUNNER)
    stack.project.compose("run", "--rm", "--no-deps", "hello-starlette", "sync")
    return stack


@pytest.fixture(scope="module")
def export(machine_a: Stack, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """The lock and the store of machine A in one signed file."""
    out = tmp_path_factory.mktemp("carried")
    out.chmod(0o777)  # the proxy's user writes there
    machine_a.project.compose("run", "--rm", "warm")
    lock = ("lock", "--plan", "/plan/plan.json", "--output", "/out/assets.lock")
    machine_a.project.compose("run", "--rm", "--no-deps", "--volume", f"{out}:/out", "warm", *lock)
    locks = [word for path in sorted(out.iterdir()) for word in ("--lock", f"/out/{path.name}")]
    proxy = machine_a.project.compose("ps", "--quiet", "proxy").stdout.strip()
    said = docker("run", "--rm", *LABEL, "--network", "none", "--volumes-from", proxy, "--volume", f"{out}:/out", PROXY_IMAGE,
                  "export", *locks, "/out/team.drydock")  # fmt: skip
    signer = re.search(r"signed by (ed25519:\S+)", said)
    assert signer, said
    return Export(out / "team.drydock", signer.group(1))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a pipeline checks out: Workers for the runtime of 2024, and the tests of one."""
    root = tmp_path_factory.mktemp("checkout")
    root.chmod(0o755)
    here = REPOSITORY / "tests" / "e2e" / "workers"
    for name in ("fastapi", "outside-2024"):
        shutil.copytree(here / name, root / "workers" / name)
    ignored = shutil.ignore_patterns("__pycache__", "node_modules", ".*")
    for source, name in (
        (REPOSITORY / "workers" / "kit", "workers/kit"),
        (REPOSITORY / "workers" / "hello-starlette", "workers/hello-starlette"),
        (REPOSITORY / "workers" / "hello", "workers/hello"),
        (here / "hello-2024", "tests/e2e/workers/hello-2024"),
    ):
        shutil.copytree(source, root / name, ignore=ignored)
    hello = root / "workers" / "hello"
    (hello / "pyproject.toml").unlink()  # pywrangler knows no Python that this runtime has
    shutil.copytree(here / "hello-2024", hello, dirs_exist_ok=True)
    return root


@pytest.fixture(scope="module")
def ci_image(export: Export, checkout: Path) -> Iterator[CiImage]:
    """The CI image, built from the file with no network."""
    name = f"drydock-ci:{RUNTIME_2024['DRYDOCK_TAG']}"
    build({**RUNTIME_2024, "ARCHIVE": str(export.file), "ARCHIVE_KEY": export.signer})
    yield CiImage(name, checkout)
    subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True, check=False)


def docker(*arguments: str) -> str:
    """Run docker and return all that it printed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_sealed_machine_runs_fastapi_from_the_file_alone(
    export: Export, declare_project: Callable[..., Project], tmp_path: Path
) -> None:
    """Empty volumes, no network that leads out: import, npm ci, pywrangler sync, real workerd, and nothing was missed."""
    files = (*STACK_2024, "docker/offline.compose.yml", "tests/e2e/carried.compose.yml")
    machine_b = declare_stack(declare_project, tmp_path, "air-gap-b", 122, RUNTIME_2024, files)
    machine_b.project.compose("up", "--no-start", "proxy")
    store, folder = f"{machine_b.project.name}_store:/var/lib/drydock/store", f"{export.file.parent}:/carried:ro"
    docker("run", "--rm", *LABEL, "--network", "none", "--volume", store, "--volume", folder, PROXY_IMAGE,
           "import", "--key", export.signer, f"/carried/{export.file.name}")  # fmt: skip
    machine_b.project.up("fastapi", seconds=800)
    status, body = machine_b.inside("fastapi", "/versions")
    assert (status, json.loads(body)) == (200, VERSIONS)
    record = json.loads(machine_b.project.exec("proxy", "python3", "-c", RECORD).stdout)
    assert (record["upstream_connections"], record["misses"]) == (0, 0), record["missed"]
    assert record["hits"] > 10


def test_the_ci_image_installs_fastapis_packages_without_a_network(ci_image: CiImage) -> None:
    done = ci_image.run("sync", options=("--workdir", "/src/workers/fastapi"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "npm packages: done" in done.stderr
    assert "Python packages: done" in done.stderr
    assert re.search(ZERO, done.stderr.splitlines()[-1]), done.stderr


def test_the_ci_image_builds_the_kit_from_the_folder_beside_the_worker(ci_image: CiImage) -> None:
    """`worker-kit = { path = "../kit" }` leads to the checkout, which is read-only; what the kit is built with is in the store."""
    look = "worker-entrypoint sync; test -f python_modules/worker_kit/http.py; test -d python_modules/starlette"
    done = ci_image.run("--worker", "workers/hello-starlette", "sh", "-ec", look)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(ZERO, done.stderr.splitlines()[-1]), done.stderr


def test_the_ci_image_serves_fastapi_on_real_workerd_without_a_network(ci_image: CiImage) -> None:
    """`docker stop` reaches the Worker, and the run's last line still says what was needed."""
    answer, said, status = ci_image.serve("workers/fastapi", "/versions", "--env", "runtime-2024")
    assert answer.splitlines()[0] == "200"
    assert json.loads(answer.splitlines()[1]) == VERSIONS
    assert re.search(ZERO, said.splitlines()[-1]), said
    assert status == 0


def test_the_ci_image_needs_no_more_than_an_ordinary_user_and_tells_its_certificate(ci_image: CiImage, tmp_path: Path) -> None:
    """Any user may run it; a Worker's download by a name that leads to the proxy is a hit; the certificate is a file, too."""
    tmp_path.chmod(0o777)
    options = ("--user", "4321:4321", "--dns", "127.0.0.1", "--env", "DRYDOCK_RUNTIME_VIEW=", "--volume", f"{tmp_path}:/out")
    serve = shlex.split(readme_commands()[-1].partition('"$DRYDOCK_CI_IMAGE" ')[2])
    serve[serve.index("--worker") + 1] = "workers/outside-2024"
    done = ci_image.run(*serve, options=(*options, "--env", "DRYDOCK_CERTIFICATE=/out/certificate.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(ZERO, done.stderr.splitlines()[-1]), done.stderr
    certificate = json.loads((tmp_path / "certificate.json").read_text())
    assert (certificate["mode"], certificate["upstream_connections"], certificate["misses"]) == ("offline", 0, 0)


def test_a_miss_ends_the_run_with_its_url_and_the_command_that_mends_it(ci_image: CiImage) -> None:
    """Also when the command got over it; unless misses are allowed."""
    url = "https://cdn.jsdelivr.net/pyodide/v1/other.whl"
    fetch = ("sh", "-c", f"python3 -c 'import urllib.request; urllib.request.urlopen(\"{url}\")' 2>/dev/null || true")
    done = ci_image.run(*fetch)
    assert done.returncode == 3
    assert f"miss: GET {url}: 504" in done.stderr
    assert "drydock rehearse --add -- sh -c" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("0 upstream connections, 0 hits, 1 misses;")
    assert ci_image.run(*fetch, options=("--env", "DRYDOCK_ALLOW_MISSES=1")).returncode == 0


def test_the_documented_commands_run_as_they_are_documented(ci_image: CiImage) -> None:
    """GitHub's steps, which are the README's: the Worker's tests, its bundle, and its answer."""
    environment = {**os.environ, "DRYDOCK_CI_IMAGE": ci_image.name}
    for command in github_commands():
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command]
        done = subprocess.run(
            shell, cwd=ci_image.checkout, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(ZERO, done.stderr.splitlines()[-1]), done.stderr


def test_gitlabs_job_runs_as_gitlab_runs_it(ci_image: CiImage) -> None:
    """A shell in one container gets the script, with the checkout somewhere below /builds; what was read once may be at hand."""
    mounted = ("--volume", f"{ci_image.checkout}:/builds/team/project:ro", "--workdir", "/builds/team/project")
    script = "set -eo pipefail\n" + "\n".join(gitlab_commands())
    done = docker("run", "--rm", *LABEL, "--network", "none", *mounted, "--entrypoint", "bash", ci_image.name, "-c", script)
    certified = re.findall(r"^0 upstream connections, \d+ hits, 0 misses;", done, re.MULTILINE)
    assert len(certified) == len(gitlab_commands()), done


def test_no_key_and_no_password_lies_in_the_image(ci_image: CiImage) -> None:
    """The CA is made when a container starts; the archive itself is in no layer."""
    places = "/var/lib/drydock /etc/drydock /usr/local/lib/drydock /worker /run /tmp"
    search = f"grep -rlF -e 'PRIVATE KEY-----' {places}; find / -xdev -name team.drydock; echo searched"
    said = docker(
        "run", "--rm", *LABEL, "--network", "none", "--user", "0:0", "--entrypoint", "sh", ci_image.name, "-c", search
    )
    assert said == "searched\n"


def test_an_image_for_another_signer_is_not_built(export: Export) -> None:
    """The archive is verified before anything of it shows: a build that expects somebody else fails and says whom it found."""
    other = "ed25519:" + "0" * 64
    settings = {**os.environ, **RUNTIME_2024, "ARCHIVE": str(export.file), "ARCHIVE_KEY": other}
    command = [str(REPOSITORY / "docker" / "tasks" / "ci-build"), "--progress", "plain"]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode != 0
    assert export.signer in done.stderr
