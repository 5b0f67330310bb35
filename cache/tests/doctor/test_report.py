"""The report: a stable JSON, no secret in any spelling, an exit status; and the machine's facts as the task writes them."""

import json
from base64 import b64encode
from pathlib import Path

import pytest
from drydock_cache.doctor.certificates import CaFiles, judge_chain, judge_own
from drydock_cache.doctor.chains import Certificate, Chain, certificates_in
from drydock_cache.doctor.finding import Finding, Severity
from drydock_cache.doctor.host import judge_host
from drydock_cache.doctor.host_facts import HostFacts
from drydock_cache.doctor.report import Report, secrets_of
from drydock_cache.doctor.seen import HostSeen, Stage, Target, Trouble
from drydock_cache.doctor.targets import targets, wildcards
from drydock_cache.errors import ConfigError
from drydock_cache.locked import Lock
from drydock_cache.policy import Policy

from cache.tests.command_line import Run
from tests.upstream.pki import Authority

DAY = 86400.0


def test_a_report_is_read_back_as_it_was_written() -> None:
    """The fields that docs/doctor.md names, and no others."""
    report = Report.of([Finding("a.b", Severity.WARN, ("x", "y"), "What.", "seen", "mend")], "2026-11-26T08:00:00+00:00")
    document = json.loads(report.to_json())
    assert set(document) == {"schema", "at", "status", "counts", "findings"}
    assert (document["schema"], document["status"]) == (1, 1)
    assert document["counts"] == {"ok": 0, "skipped": 0, "warn": 1, "fail": 0}
    assert set(document["findings"][0]) == {"check", "severity", "place", "subjects", "what", "evidence", "mend"}
    assert Report.from_json(report.to_json()) == report
    with pytest.raises(ConfigError):
        Report.from_json("{}")


def test_what_is_skipped_or_fine_is_no_finding_of_the_exit_status() -> None:
    assert Report.of([Finding("a.b", Severity.SKIPPED, ("x",), "Why.")], "").status == 0


def test_no_secret_of_the_environment_is_in_a_report_in_any_spelling() -> None:
    environment = {
        "HTTPS_PROXY": "http://user:p%40ss-word@proxy.example:3128",
        "UV_DEFAULT_INDEX": "https://me:t0ken-9@mirror.example/simple",
        "http_proxy": "http://odd:half@of-it@proxy.example",
        "CLOUDFLARE_API_TOKEN": "tok-123456",
        "DRYDOCK_TOKEN": "./token",
    }
    pair = b64encode(b"user:p@ss-word").decode()
    texts = ("p%40ss-word", "p@ss-word", pair, "t0ken-9", "half@of-it", "tok-123456")
    found = [Finding("a.b", Severity.FAIL, (text,), f"{text}.", f"at {text}!", f"unset {text}") for text in texts]
    written = Report.of(found, "", secrets_of(environment)).to_json()
    assert not [text for text in texts if text in written]
    assert "./token" not in secrets_of(environment)


def test_credentials_and_queries_of_any_url_are_masked() -> None:
    found = Finding("a.b", Severity.OK, ("x",), "x", "https://a:b@host/path?signature=1 and more")
    assert Report.of([found], "").findings[0].evidence == "https://***@host/path?… and more"


FACTS = """noise
@@ version docker
24.0.7
@@ version compose
2.26.1
@@ settings
HTTPS_PROXY=http://u:secret@172.20.0.9:3128
DRYDOCK_NETWORK=10.50.7
@@ routes
default via 192.168.1.1 dev wlan0 proto dhcp
10.0.0.0/8 dev tun0 scope link
172.17.0.0/16 dev docker0 proto kernel
@@ outward
3: tun0: <POINTOPOINT,UP> mtu 1380 qdisc fq state UNKNOWN
@@ resolvers
127.0.0.53
172.20.0.1
@@ listening
LISTEN 0 128 127.0.0.1:8786 0.0.0.0:*
@@ config
{"services": {"gateway": {"ports": [{"published": "8786", "target": 8786}]}, "proxy": {"ports": [{"published": "8080"}]}}}
@@ networks
[{"Name": "bridge", "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]}, "Options": {}},
 {"Name": "other", "IPAM": {"Config": [{"Subnet": "172.20.0.0/16"}]}, "Options": null}]
@@ services
proxy exited
@@ files
DRYDOCK_CORPORATE_CA\t/home/me/none.pem: expected certificates, found nothing there\tcorrect the path
@@ daemon-proxy
none
"""


def test_the_machines_facts_lead_to_findings() -> None:
    found = {(one.check, *one.subjects): one for one in judge_host(HostFacts.parse(FACTS)) if one.severity is not Severity.OK}
    assert set(found) == {
        ("versions.docker", "docker"),
        ("docker.proxy", "proxy"),
        ("docker.daemon-proxy", "docker"),
        ("settings.file", "DRYDOCK_CORPORATE_CA"),
        ("docker.port", "8786"),
        ("networks.overlap", "10.50.7.0/24"),
        ("networks.covered", "other"),
        ("mtu.interfaces", "egress"),
    }
    assert "/home/me/none.pem" in found["settings.file", "DRYDOCK_CORPORATE_CA"].evidence
    assert all(one.place == "host" and one.mend for one in found.values())


def test_of_what_is_not_known_nothing_is_concluded() -> None:
    """A machine without ip, ss or a running engine."""
    found = judge_host(HostFacts.parse("@@ engine-error\nCannot connect to the Docker daemon\n@@ networks\nnot json\n"))
    assert [one.check for one in found if one.severity is not Severity.OK] == ["docker.engine"]


def chain_of(authority: Authority, code: int) -> Chain:
    import ssl

    leaf = Certificate.parse(ssl.PEM_cert_to_DER_cert(authority.leaf("assets.example").certificate.decode()))
    return Chain((leaf,), code)


def test_the_missing_certificate_is_found_in_a_file_of_the_machine(tmp_path: Path) -> None:
    """By the issuer's name and key: a root of the same name with another key is not taken for it."""
    company, namesake = Authority.create("Contoso Root"), Authority.create("Contoso Root")
    right, wrong = company.write(tmp_path / "right.crt"), namesake.write(tmp_path / "wrong.crt")
    target = Target("https://assets.example/", "assets.example", 443)
    seen = HostSeen(target, Stage.TLS, Trouble.UNTRUSTED, chain=chain_of(company, 20))
    others = {str(path): certificates_in(path) for path in (wrong, right)}
    found = judge_chain(seen, CaFiles({}, others), 0.0)
    assert found is not None
    assert found.mend == f"It lies on this machine: export DRYDOCK_CORPORATE_CA={right}"


def test_drydocks_own_ca_is_judged_by_its_time(tmp_path: Path) -> None:
    (root,) = certificates_in(Authority.create("drydock").write(tmp_path / "ca.pem"))
    severities = [judge_own(root, "ca.pem", now) for now in (root.ends - 60 * DAY, root.ends - 5 * DAY, root.ends + 1)]
    assert [one and str(one.severity) for one in severities] == ["ok", "warn", "fail"]


def test_each_host_of_the_policy_is_asked_for_what_is_not_there() -> None:
    policy = Policy.parse(
        'pin = ["a.example/files/*", "b.example:8443"]\nrevalidate = ["c.example"]\ntunnel = ["d.example", "*.e.example"]\n'
        'deny = ["f.example"]\n',
        "drydock.toml",
    )
    nothing = "drydock-doctor-asks-for-nothing"
    assert [target.url for target in targets(policy, Lock())] == [
        f"https://a.example/files/{nothing}",
        f"https://b.example:8443/{nothing}/",
        f"https://c.example/{nothing}/",
        "https://d.example/",
    ]
    assert wildcards(policy) == ["*.e.example"]


def test_the_command_prints_lines_and_counts_and_bad_use_is_2(command: Run, place: Path) -> None:
    """Offline nothing outside is asked, so that the only look is at the disk."""
    done = command("doctor", "--mode", "offline")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SKIPPED proxy  ways         network: drydock is offline: nothing outside is asked." in done.stdout
    assert "doctor: 0 fail, 0 warn, 1 skipped" in done.stderr
    assert json.loads(command("doctor", "--mode", "offline", "--json").stdout)["counts"]["fail"] == 0
    assert command("doctor", "--nonsense").returncode == 2
    (place / "drydock.toml").write_text("pni = []\n")
    wrong = command("doctor", "--json")
    assert wrong.returncode == 1
    assert [one["check"] for one in json.loads(wrong.stdout)["findings"] if one["severity"] == "fail"] == ["settings.wrong"]
