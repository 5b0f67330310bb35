"""The CI image filled over a network: what its Workers need is in it, and nothing of the way there."""

import re
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.compose import REPOSITORY, Project
from tests.e2e.ci_image import LABEL, ZERO, CiImage, build
from tests.e2e.stack import PLAYED, RUNTIME_2024, Stack, declare_stack, new_password
from tests.internet.build_www import BUNDLE
from tests.upstream.pki import Authority
from tests.upstream.squid import Company, Squid

pytestmark = pytest.mark.timeout(600)

WORKERS = REPOSITORY / "tests" / "e2e" / "workers"


@pytest.fixture(scope="module")
def world(declare_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The played internet alone, and the two images on which the CI image stands."""
    stack = declare_stack(declare_project, tmp_path_factory.mktemp("ci"), "ci-image", 123, RUNTIME_2024)
    stack.project.build()
    stack.project.up("internet")
    return stack


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a policy and one Worker, which has npm packages."""
    root = tmp_path_factory.mktemp("project")
    root.chmod(0o755)
    shutil.copy(REPOSITORY / "drydock.toml", root)
    shutil.copytree(WORKERS / "outside-2024", root / "workers" / "web")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(WORKERS / "fastapi" / name, root / "workers" / "web")
    return root


@pytest.fixture(scope="module")
def password() -> str:
    """The company's password, which nothing else contains."""
    return new_password()


@pytest.fixture(scope="module")
def company(world: Stack, password: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Squid, Path]]:
    """A corporate proxy that wants a password and signs every certificate anew, in front of the played internet; its CA."""
    folder = tmp_path_factory.mktemp("company")
    root = Authority.create("Corporate test root")
    trusted = folder / "trusted.pem"
    system = Path(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt")
    trusted.write_bytes(system.read_bytes() + world.internet.ca())
    address = world.address("internet", "egress")
    lead = dict.fromkeys(PLAYED, (address, 443))
    with Squid(folder, Company(("builder", password), root, trusted, lead)) as squid:
        yield squid, root.write(folder / "company.pem")


@pytest.fixture(scope="module")
def image(
    company: tuple[Squid, Path], password: str, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CiImage]:
    """The image for that repository, built through the company: its login from a file, its CA as DER."""
    squid, ca = company
    name = f"drydock-ci:{RUNTIME_2024['DRYDOCK_TAG']}"
    folder = tmp_path_factory.mktemp("secret")
    login, der = folder / "login", folder / "company.cer"
    login.write_text(f"builder:{password}\n")
    der.write_bytes(ssl.PEM_cert_to_DER_cert(ca.read_text()))
    for file in (login, der):
        file.chmod(0o644)
    url = f"http://127.0.0.1:{squid.port}"
    way = {"HTTPS_PROXY": url, "HTTP_PROXY": url, "DRYDOCK_PROXY_CREDENTIALS": str(login), "DRYDOCK_CORPORATE_CA": str(der)}
    build({**RUNTIME_2024, **way, "PROJECT": str(project)}, "--network", "host", "--no-cache-filter", "store")
    yield CiImage(name, project)
    subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True, check=False)


def test_the_runtimes_bundle_and_the_workers_packages_came_through_the_company(
    image: CiImage, world: Stack, company: tuple[Squid, Path]
) -> None:
    """The runtime was asked in the build, where nothing can be reached, and its bundle fetched once."""
    assert image.name
    assert world.internet.count(BUNDLE) == 1
    assert any("/ms" in line and line.endswith(" builder") for line in company[0].seen())


def test_the_worker_installs_and_answers_without_a_network(image: CiImage) -> None:
    done = image.run("--worker", "workers/web", "sh", "-ec", "worker-entrypoint sync; test -f node_modules/ms/package.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(ZERO, done.stderr.splitlines()[-1]), done.stderr
    answer, said, _ = image.serve("workers/web", "/")
    assert answer == "200\nok\n", said


def test_neither_the_password_nor_the_companys_ca_nor_any_key_is_in_the_image(
    image: CiImage, password: str, company: tuple[Squid, Path]
) -> None:
    """History, environment and files hold nothing of the way that the build took."""
    told = subprocess.run(["docker", "image", "inspect", image.name], capture_output=True, text=True, check=True).stdout
    told += subprocess.run(["docker", "history", "--no-trunc", image.name], capture_output=True, text=True, check=True).stdout
    assert password not in told
    line = company[1].read_text().splitlines()[1]
    search = ["docker", "run", "--rm", *LABEL, "--network", "none", "--user", "0:0", "--entrypoint", "grep", image.name, "-rlF"]
    for text in (password, line, "PRIVATE KEY-----"):
        places = ("/var/lib/drydock", "/etc", "/usr/local/lib/drydock", "/worker", "/run", "/tmp")
        found = subprocess.run([*search, "-e", text, *places], capture_output=True, text=True, check=False)
        assert (found.returncode, found.stdout) == (1, ""), text  # 1: read everything, found nothing


def test_the_image_answers_for_what_it_lists(image: CiImage) -> None:
    """Its store verifies: every blob is what its name says."""
    done = image.run("drydock", "verify")
    assert done.returncode == 0, done.stdout + done.stderr
