"""Behind a corporate proxy that wants a password: the same cold start works, and a wrong password is said clearly."""

import json
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compose import Project
from tests.e2e.stack import PLAYED, RUNTIME_2024, Stack, declare_stack, new_password
from tests.internet.build_www import BUNDLE
from tests.upstream.pki import Authority

pytestmark = pytest.mark.timeout(600)

PASSWORD = new_password()
BUNDLE_URL = f"https://{BUNDLE}"


@pytest.fixture(scope="module")
def bumped(declare_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A Python Worker, started from nothing through a Squid that wants a password and re-signs TLS with its own CA."""
    # The images are built on the open network: this proxy's name means nothing where images are built.
    scratch = tmp_path_factory.mktemp("corporate")
    declare_stack(declare_project, scratch, "corporate", 104, RUNTIME_2024).project.build()
    env = {
        **RUNTIME_2024,
        "CORPORATE_PASSWORD": PASSWORD,
        "HTTPS_PROXY": f"http://worker:{PASSWORD}@corporate:3128",
        "HTTP_PROXY": f"http://worker:{PASSWORD}@corporate:3128",
        "NO_PROXY": "localhost",
        "E2E_UPSTREAM_CA": "/corporate/corporate.pem",
    }
    stack = declare_stack(declare_project, scratch, "corporate", 104, env)
    stack.project.up("internet", "corporate", "corporate-plain")
    stack.project.up("hello", "gateway")
    return stack


def squid_log(stack: Stack, service: str) -> list[str]:
    """Return the requests that a Squid answered."""
    return [line for line in stack.project.logs(service).splitlines() if "TCP_" in line or "NONE_" in line]


def test_a_cold_start_works_through_the_corporate_proxy(bumped: Stack) -> None:
    """The Worker answers, and its bundle came through Squid, once."""
    assert bumped.hello("/status")[0] == 200
    assert bumped.internet.count(BUNDLE) == 1
    assert any(BUNDLE.partition("/")[0] in line for line in squid_log(bumped, "corporate"))


def test_a_workers_fetch_is_tunnelled_through_the_corporate_proxy_unread(bumped: Stack) -> None:
    """Through a Squid with a password that passes TLS on, a Worker's own fetch sees the host's own certificate."""
    plain = f"http://worker:{PASSWORD}@corporate-plain:3128"
    through = Stack(
        bumped.project.with_env(HTTPS_PROXY=plain, HTTP_PROXY=plain, E2E_UPSTREAM_CA="/internet/internet.pem"), bumped.network
    )
    through.project.up("outside")
    status, body = through.inside("outside", "/fetch?url=https://api.example.net/by-squid")
    assert status == 200
    answer = json.loads(body)
    assert answer["path"] == "/by-squid"
    assert answer["certificate_sha256"] == through.internet.certificate("api.example.net")
    # Squid writes its line when a tunnel ends
    through.project.compose("stop", "outside")
    through.wait_until(lambda: any("CONNECT api.example.net:443" in line for line in squid_log(through, "corporate-plain")))
    tunnels = [line for line in through.journal() if line["event"] == "tunnel"]
    assert [(line["host"], line["outcome"]) for line in tunnels] == [("api.example.net", "opened")]


def test_a_folder_of_certificates_is_trusted_by_proxy_and_workers(bumped: Stack, tmp_path: Path) -> None:
    """PEM and DER beside each other: what goes upstream gets through Squid, and a Worker's bundle has them all."""
    folder = tmp_path / "company"
    folder.mkdir()
    corporate = bumped.project.exec("corporate", "cat", "/ca/corporate.pem").stdout
    (folder / "corporate.cer").write_bytes(ssl.PEM_cert_to_DER_cert(corporate))
    another = Authority.create("Another root").write(folder / "another.pem").read_text()
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)
    given = bumped.project.with_env(DRYDOCK_CORPORATE_CA=str(folder), E2E_UPSTREAM_CA="/run/secrets/corporate_ca")
    looked = given.compose("run", "--rm", "--no-deps", "warm", "doctor", "--json", check=False)
    found = {(one["check"], one["severity"]): one for one in json.loads(looked.stdout)["findings"]}
    assert not any(check.startswith("certificates.") and severity != "ok" for check, severity in found), looked.stdout
    assert set(PLAYED[:2]) <= set(found["ways.open", "ok"]["subjects"]), looked.stdout
    bundle = given.compose("run", "--rm", "--no-deps", "hello-js", "sh", "-c", 'cat "$SSL_CERT_FILE"').stdout
    for certificate in (corporate, another):
        assert certificate.strip() in bundle


def test_a_wrong_password_names_the_proxy_and_407(bumped: Stack) -> None:
    """The error says who refused and why, and asks Squid once, so that no account is locked."""
    wrong = new_password()
    url = f"http://worker:{wrong}@corporate:3128"
    refused = Stack(bumped.project.with_env(HTTPS_PROXY=url, HTTP_PROXY=url), bumped.network)
    asked = len([line for line in squid_log(refused, "corporate") if "407" in line])
    other = BUNDLE_URL.replace("_3.capnp.bin", "_4.capnp.bin")
    done = refused.project.compose(
        "run", "--rm", "--no-deps", "warm", "warm", "--url", other, "--url", f"{other}x", check=False
    )
    assert done.returncode == 1
    assert "http://corporate:3128 answered 407" in done.stderr
    assert "mend: Put the right user and password into HTTPS_PROXY" in done.stderr
    assert len([line for line in squid_log(refused, "corporate") if "407" in line]) == asked + 1
    assert wrong not in done.stdout + done.stderr + refused.project.logs()


def test_no_credential_is_in_any_log(bumped: Stack) -> None:
    """What every service printed holds no password."""
    assert PASSWORD not in bumped.project.logs()


def doctor(stack: Stack) -> tuple[dict[str, dict[str, str]], str]:
    """Run `make doctor JSON=1`'s task; return severities by check and subject, and all that was printed."""
    done = stack.task("doctor", "--json")
    found: dict[str, dict[str, str]] = {}
    for finding in json.loads(done.stdout)["findings"]:
        for subject in finding["subjects"]:
            found.setdefault(finding["check"], {})[subject] = finding["severity"]
    assert done.returncode == 1, "wrangler and workerd of 2024 are findings wherever these tests run"
    return found, done.stdout + done.stderr


def test_doctor_finds_nothing_wrong_where_the_company_signs_and_asks_for_a_password(bumped: Stack) -> None:
    """From the proxy's container and from a Worker's: Squid's login and CA are known, and each client there gets an answer.

    What fails is named and true: the versions of 2024, and hosts that nothing plays here.
    """
    bumped.project.compose("up", "--detach", "--wait", "--no-deps", "proxy")
    found, said = doctor(bumped)
    assert PASSWORD not in said
    failed = {(check, subject) for check, all_of in found.items() for subject, severity in all_of.items() if severity == "fail"}
    absent = {subject for check, subject in failed if check.startswith("ways.")}
    assert failed - {("versions.workerd", "workerd"), ("versions.wrangler", "wrangler")} <= {
        (check, host) for check in found if check.startswith("ways.") for host in absent
    }, said
    assert not absent & set(PLAYED), said
    clients = {
        check: severity for check, all_of in found.items() if check.startswith("clients.") for severity in all_of.values()
    }
    asked = ("curl", "python", "uv", "pip", "npm", "node", "git", "workerd")
    assert clients == {f"clients.{name}": "ok" for name in asked}, said
    assert "Corporate test root" in said
    assert found["accounts.fine"] == {"http://corporate:3128": "ok"}
    assert found["networks.sealed"] == {"sealed": "ok"}


def test_doctor_says_that_the_company_refuses_the_password(bumped: Stack) -> None:
    """A proxy that runs with a wrong one is asked where it runs; what clients, proxy and doctor ask is one try together."""
    wrong = new_password()
    url = f"http://worker:{wrong}@corporate:3128"
    refused = Stack(bumped.project.with_env(HTTPS_PROXY=url, HTTP_PROXY=url), bumped.network)
    refused.project.compose("up", "--detach", "--wait", "--no-deps", "proxy")

    def tries() -> int:
        lines = squid_log(refused, "corporate")
        return len([line for line in lines if "TCP_DENIED/407" in line and not line.endswith(" -")])

    before = tries()
    # a file that is not there would end every container: it is said, and the rest is looked at without it
    found, said = doctor(Stack(refused.project.with_env(DRYDOCK_PAC_FILE="/nowhere/proxy.pac"), refused.network))
    assert found["settings.file"] == {"DRYDOCK_PAC_FILE": "fail"}, said
    assert "/nowhere/proxy.pac: expected a PAC script, found nothing there" in said
    assert found["accounts.refused"] == {"http://corporate:3128": "fail"}, said
    assert "Put the right user and password into HTTPS_PROXY" in said
    assert tries() == before + 1, squid_log(refused, "corporate")
    assert wrong not in said + refused.project.logs("proxy")
