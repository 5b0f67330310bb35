"""Fixtures for the servers in this package; the root conftest.py offers them to every test."""

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.upstream.kerberos import Kdc
from tests.upstream.nginx import Nginx
from tests.upstream.pki import Authority
from tests.upstream.scripted import Upstream
from tests.upstream.squid import Company, Squid


@pytest.fixture(scope="session")
def authority() -> Authority:
    """A root that signs the certificates of the servers outside."""
    return Authority.create("Internet test root")


@pytest.fixture
def authority_file(authority: Authority, tmp_path: Path) -> Path:
    """The root's certificate as a file, for --upstream-ca and --cacert."""
    return authority.write(tmp_path / "internet.pem")


@pytest.fixture
def start_upstream(authority: Authority) -> Iterator[Callable[..., Upstream]]:
    """Starts misbehaving upstreams for host names; they end with the test."""
    with ExitStack() as stack:
        yield lambda *names: stack.enter_context(Upstream(authority, *names))


@pytest.fixture
def upstream(start_upstream: Callable[..., Upstream]) -> Upstream:
    """A misbehaving upstream for assets.example."""
    return start_upstream("assets.example")


@pytest.fixture
def start_nginx(tmp_path: Path) -> Iterator[Callable[..., Nginx]]:
    """Starts nginx on a directory: start_nginx(root, authority=…, name=…, server=…); it ends with the test."""
    with ExitStack() as stack:
        number = iter(range(100))

        def start(root: Path, *, authority: Authority | None = None, name: str = "assets.example", server: str = "") -> Nginx:
            directory = tmp_path / f"nginx-{next(number)}"
            directory.mkdir()
            return stack.enter_context(Nginx(directory, root, authority=authority, name=name, server=server))

        yield start


@pytest.fixture
def start_squid(tmp_path: Path) -> Iterator[Callable[[Company], Squid]]:
    """Starts a corporate proxy; it ends with the test."""
    with ExitStack() as stack:
        number = iter(range(100))

        def start(company: Company) -> Squid:
            directory = tmp_path / f"squid-{next(number)}"
            directory.mkdir()
            return stack.enter_context(Squid(directory, company))

        yield start


@pytest.fixture
def kdc(tmp_path: Path) -> Iterator[Kdc]:
    """A company's Kerberos realm with the user `worker`; its proxies run on `localhost`."""
    if any(shutil.which(program, path="/usr/sbin:/usr/bin") is None for program in ("krb5kdc", "kadmin.local", "kinit")):
        pytest.skip("MIT's Kerberos is not installed; the test image brings it")
    directory = tmp_path / "kdc"
    directory.mkdir()
    with Kdc(directory, "worker", f"{secrets.token_hex(8)}/%#@") as kdc:
        yield kdc


@pytest.fixture
def kerberos_folder(kdc: Kdc, tmp_path: Path) -> Path:
    """What DRYDOCK_KERBEROS names: krb5.conf, since no DNS knows this realm, and no ticket yet."""
    folder = tmp_path / "kerberos"
    folder.mkdir()
    shutil.copy(kdc.krb5_conf, folder)
    return folder
