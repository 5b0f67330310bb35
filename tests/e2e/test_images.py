"""The images: they build behind a corporate proxy, and nothing that is secret stays in them."""

import os
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.compose import PREFIX, REPOSITORY, Project
from tests.e2e.stack import RUNTIME_2024, declare_stack, new_password
from tests.upstream.pki import Authority
from tests.upstream.squid import Company, Squid

pytestmark = pytest.mark.timeout(600)


def build(
    target: str,
    tag: str,
    arguments: Mapping[str, str],
    ca: Path | None = None,
    credentials: Path | None = None,
    image: str = "worker",
    *,
    cached: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Build one stage of an image on the host's network: from its first instruction on, without what its steps keep, or `cached`."""
    given = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    files = {"corporate_ca": ca, "proxy_credentials": credentials}
    secret = [word for name, file in files.items() if file for word in ("--secret", f"id={name},src={file}")]
    command = ["docker", "buildx", "build", "--progress", "plain", "--network", "host", "--load"]
    command += [] if cached else ["--no-cache-filter", target]
    command += ["--target", target, "--tag", tag, *given, *secret, "--file", f"docker/{image}.Dockerfile", "."]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=500)


@pytest.fixture
def tag() -> Iterator[str]:
    """A name for an image that is removed afterwards."""
    name = f"{PREFIX}image:built"
    yield name
    subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True, check=False)


def test_an_image_builds_behind_a_corporate_proxy_that_re_signs_tls(
    start_squid: Callable[[Company], Squid], tmp_path: Path, tag: str
) -> None:
    """With the proxy's address and its CA as a build secret, packages arrive; without the CA the build fails at TLS."""
    company = Authority.create("Corporate test root")
    squid = start_squid(Company(login=("builder", new_password()), bump=company))
    # A version that is named is resolved anew: the build has to ask the index.
    arguments = {
        "HTTPS_PROXY": squid.url(),
        "HTTP_PROXY": squid.url(),
        "WORKERS_PY_VERSION": "1.17.9",
        "WORKERS_RUNTIME_SDK_VERSION": "1.9.5",
    }
    refused = build("python-tools", tag, arguments)
    assert refused.returncode != 0
    assert "certificate" in refused.stderr.lower()
    built = build("python-tools", tag, arguments, company.write(tmp_path / "company.pem"))
    assert built.returncode == 0, built.stderr[-3000:]
    assert any(line.startswith(("TCP_", "NONE_")) and "workers-py" in line for line in squid.seen()), squid.seen()[-20:]


def test_neither_the_password_nor_the_ca_stays_in_an_image(
    start_squid: Callable[[Company], Squid], tmp_path: Path, tag: str
) -> None:
    """History, environment and files of images that were built through the company, with a folder of its CAs and a file of logins.

    Packages of Python, of npm and of Debian come by its proxy, for what users run and for the suite's own image.
    """
    company = Authority.create("Corporate test root")
    password = f"{new_password()}/:%@"
    squid = start_squid(Company(login=("builder", password), bump=company))
    folder = tmp_path / "company"
    folder.mkdir(0o755)
    folder.chmod(0o755)
    Authority.create("Another root").write(folder / "another.crt").chmod(0o644)
    ca = company.write(tmp_path / "root.pem")
    (folder / "company.cer").write_bytes(ssl.PEM_cert_to_DER_cert(ca.read_text()))
    (folder / "company.cer").chmod(0o644)
    credentials = tmp_path / "login"
    credentials.write_text(f"elsewhere.example=nobody:x\nbuilder:{password}\n")
    credentials.chmod(0o644)
    url = f"http://127.0.0.1:{squid.port}"
    arguments = {"HTTPS_PROXY": url, "HTTP_PROXY": url, "WORKERS_PY_VERSION": "1.17.9"}
    merged = made_one_file(folder)
    for image, target in (("gateway", "gateway"), ("test", "pyodide-node"), ("worker", "python-tools")):
        before = len(squid.seen())
        built = build(target, tag, arguments, merged, credentials, image)
        assert built.returncode == 0, built.stderr[-3000:]
        assert len(squid.seen()) > before, image
        assert_holds_neither(tag, password, ca)


def test_a_wrong_password_is_tried_once_by_all_steps_of_all_builds(
    start_squid: Callable[[Company], Squid], tmp_path: Path, tag: str
) -> None:
    """apt and uv would try it a dozen times each, and lock the account; what is wrong is said where a build fails."""
    squid = start_squid(Company(login=("builder", new_password())))
    credentials = tmp_path / "login"
    credentials.write_text(f"builder:{new_password()}\n")
    url = f"http://127.0.0.1:{squid.port}"

    def built(version: str) -> subprocess.CompletedProcess[str]:
        arguments = {"HTTPS_PROXY": url, "HTTP_PROXY": url, "HAPROXY_VERSION": version}
        return build("gateway", tag, arguments, credentials=credentials, image="gateway", cached=True)

    with ThreadPoolExecutor(2) as pool:
        for done in pool.map(built, ("1", "2")):  # which makes two builds of them
            assert done.returncode != 0
            assert f"{url} refuses the user and the password (407)" in done.stderr
    assert len([line for line in squid.seen() if line.endswith(" builder")]) == 1, squid.seen()


def made_one_file(folder: Path) -> Path:
    """Return what make gives to image builds for a folder of certificates."""
    script = '. docker/tasks/way-out && way_out && cat "$DRYDOCK_BUILD_CA"'
    env = os.environ | {"DRYDOCK_CORPORATE_CA": str(folder)}
    done = subprocess.run(["sh", "-c", script], cwd=REPOSITORY, env=env, capture_output=True, check=True)
    file = folder.with_suffix(".pem")
    file.write_bytes(done.stdout)
    return file


def assert_holds_neither(tag: str, password: str, ca: Path) -> None:
    """See that neither is in what the engine knows of an image, nor in its files."""
    told = subprocess.run(["docker", "image", "inspect", tag], capture_output=True, text=True, check=True).stdout
    told += subprocess.run(["docker", "history", "--no-trunc", tag], capture_output=True, text=True, check=True).stdout
    assert password not in told
    line = ca.read_text().splitlines()[1]
    search = ("docker", "run", "--rm", "--network", "none", "--entrypoint", "grep", tag)
    found = subprocess.run(
        [*search, "-rlF", "-e", line, "-e", password, "/etc", "/opt", "/tmp", "/usr/local"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""


def test_no_private_key_is_in_the_images_that_are_used(declare_project: Callable[..., Project], tmp_path: Path) -> None:
    """The CA is made when the proxy starts; until then there is no key anywhere."""
    declare_stack(declare_project, tmp_path, "images", 106, RUNTIME_2024).project.build()
    for image in ("drydock-proxy:test-2024", "drydock-worker:test-2024"):
        script = (
            "for place in /var/lib/drydock /etc/drydock /drydock /run /tmp; do "
            "[ ! -d $place ] || grep -rlF -e 'PRIVATE KEY-----' $place; done; echo searched"
        )
        command = ["docker", "run", "--rm", "--network", "none", "--user", "0:0", "--entrypoint", "sh", image, "-c", script]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        assert found.stdout == "searched\n"
