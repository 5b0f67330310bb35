"""nginx and Squid run as the fixtures promise."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.upstream.child import Child, accepts
from tests.upstream.curl import curl
from tests.upstream.kerberos import Kdc
from tests.upstream.nginx import Nginx
from tests.upstream.pki import Authority
from tests.upstream.scripted import Upstream
from tests.upstream.squid import Company, Kind, Squid

BODY = b"body" * 1000


def test_nginx_serves_a_directory_over_tls_and_writes_down_what_was_asked(
    start_nginx: Callable[..., Nginx], authority: Authority, authority_file: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").write_bytes(BODY)
    nginx = start_nginx(root, authority=authority)
    resolve = ["--resolve", f"assets.example:{nginx.port}:127.0.0.1", "--cacert", str(authority_file)]
    assert curl(tmp_path, *resolve, "--range", "0-3", nginx.url("/a")).body == b"body"
    assert nginx.seen() == ["GET assets.example/a 206 4 range=bytes=0-3 if-none-match=-"]
    nginx.stop()
    assert not accepts(nginx.port)


def test_a_child_that_ends_early_is_reported_with_its_output(tmp_path: Path) -> None:
    child = Child(["sh", "-c", "echo no such thing; exit 3"], tmp_path / "log", ready=lambda: False)
    with pytest.raises(RuntimeError, match="ended with 3:\nno such thing"):
        child.start()


def through(squid: Squid, upstream: Upstream, tmp_path: Path, ca: Path, proxy: str | None = None) -> tuple[int, bytes, str]:
    """Fetch /a from the upstream's name at :443 through the Squid."""
    answer = curl(tmp_path, "--proxy", proxy or squid.url(), "--cacert", str(ca), f"https://{upstream.names[0]}/a")
    return answer.code, answer.body, answer.headers.split("\n", 1)[0]


def test_squid_passes_tls_on_unread(
    start_squid: Callable[[Company], Squid], upstream: Upstream, authority_file: Path, tmp_path: Path
) -> None:
    upstream.route("/a", BODY)
    squid = start_squid(Company(lead={"assets.example": ("127.0.0.1", upstream.port)}))
    assert through(squid, upstream, tmp_path, authority_file)[:2] == (0, BODY)
    assert [line.split(" ", 1)[1] for line in squid.seen()] == ["CONNECT assets.example:443 -"]


def test_squid_wants_the_password_and_signs_tls_anew(
    start_squid: Callable[[Company], Squid], upstream: Upstream, authority_file: Path, tmp_path: Path
) -> None:
    upstream.route("/a", BODY)
    company = Authority.create("Corporate test root")
    lead = {"assets.example": ("127.0.0.1", upstream.port)}
    squid = start_squid(Company(("worker", "open sesame"), company, authority_file, lead))
    own = company.write(tmp_path / "corporate.pem")
    wrong = squid.url("wrong").replace(" ", "%20")
    assert through(squid, upstream, tmp_path, own, wrong)[2] == "HTTP/1.1 407 Proxy Authentication Required"
    right = squid.url().replace(" ", "%20")
    assert through(squid, upstream, tmp_path, own, right)[:2] == (0, BODY)
    assert through(squid, upstream, tmp_path, authority_file, right)[0] == 60  # the upstream's own root does not verify
    assert upstream.requests[-1].server_name == "assets.example"


def test_squid_takes_a_ticket_of_the_kdc_and_nothing_else(
    start_squid: Callable[[Company], Squid], kdc: Kdc, upstream: Upstream, authority_file: Path, tmp_path: Path
) -> None:
    upstream.route("/a", BODY)
    lead = {"assets.example": ("127.0.0.1", upstream.port)}
    squid = start_squid(Company(("worker", kdc.password), kind=Kind.NEGOTIATE, kdc=kdc, lead=lead))
    kdc.kinit(tmp_path / "ticket")
    way = [
        "--proxy",
        f"http://localhost:{squid.port}",
        "--proxy-negotiate",
        "--proxy-user",
        ":",
        "--cacert",
        str(authority_file),
    ]
    bodies = {}
    for ticket in ("ticket", "none"):
        environment = {"KRB5_CONFIG": str(kdc.krb5_conf), "KRB5CCNAME": f"FILE:{tmp_path / ticket}"}
        bodies[ticket] = curl(tmp_path, *way, "https://assets.example/a", environment=environment).body
    assert bodies == {"ticket": BODY, "none": b""}
    assert squid.seen() == [
        f"TCP_TUNNEL/200 CONNECT assets.example:443 {kdc.principal}",
        "TCP_DENIED/407 CONNECT assets.example:443 -",
    ]
