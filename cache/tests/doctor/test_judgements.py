"""What is concluded from observations, without any I/O: each judge of doctor by itself."""

import ipaddress
import json

import pytest
from drydock_cache.doctor.accounts import ProxySeen, judge_proxy
from drydock_cache.doctor.answers import judge_answer, judge_plain
from drydock_cache.doctor.clients import ClientSeen, judge_clients
from drydock_cache.doctor.clock import judge_clock
from drydock_cache.doctor.disk import DiskSeen, judge_disk
from drydock_cache.doctor.finding import Finding, Severity, together
from drydock_cache.doctor.greeting import schemes
from drydock_cache.doctor.mtu import judge_interfaces
from drydock_cache.doctor.networks import MachineNetworks, SealedSeen, judge_networks, judge_sealed
from drydock_cache.doctor.seen import Answer, HostSeen, Stage, Target, Trouble
from drydock_cache.doctor.settings import judge_loopback, judge_settings
from drydock_cache.doctor.versions import judge_versions, read_version
from drydock_cache.doctor.worker import judge_worker

NOWHERE = Target("https://assets.example/nothing/", "assets.example", 443)
LOCKED = Target("https://assets.example/a.whl", "assets.example", 443, size=300)
TUNNELLED = Target("https://api.example/", "api.example", 443, tunnelled=True)
HTML = ("content-type", "text/html")


def checks(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.check, str(one.severity)) for one in found]


@pytest.mark.parametrize(
    ("target", "answer", "check", "severity"),
    [
        (NOWHERE, Answer(404), "answers.true", "ok"),
        (NOWHERE, Answer(403, (("content-type", "application/xml"),)), "answers.true", "ok"),
        (NOWHERE, Answer(403, (HTML,)), "answers.forbidden", "warn"),
        (NOWHERE, Answer(200, (HTML,), b"<html>Welcome</html>"), "answers.anything", "fail"),
        (NOWHERE, Answer(200, (("content-length", "0"),)), "answers.empty", "fail"),
        (NOWHERE, Answer(511), "answers.portal", "fail"),
        (NOWHERE, Answer(302, (("location", "http://wifi.example/"),)), "answers.portal", "fail"),
        (NOWHERE, Answer(302, (("location", "https://other.example/a"),)), "answers.true", "ok"),
        (NOWHERE, Answer(401), "answers.login", "fail"),
        (NOWHERE, Answer(503), "answers.ill", "warn"),
        (LOCKED, Answer(200, (("content-length", "300"),)), "answers.true", "ok"),
        (LOCKED, Answer(200, (("content-length", "299"),)), "answers.other", "fail"),
        (LOCKED, Answer(200, (("content-length", "300"), HTML)), "answers.other", "fail"),
        (LOCKED, Answer(404), "answers.gone", "warn"),
        (LOCKED, Answer(302, (("location", "https://files.example/signed"),)), "answers.true", "ok"),
        (LOCKED, Answer(403, (HTML,)), "answers.blocked", "fail"),
        (TUNNELLED, Answer(403, (HTML,)), "answers.true", "ok"),
        (TUNNELLED, Answer(200, (HTML,)), "answers.true", "ok"),
    ],
)
def test_an_answer_is_held_to_what_the_truth_would_be(target: Target, answer: Answer, check: str, severity: str) -> None:
    found = judge_answer(HostSeen(target, Stage.DONE, answer=answer))
    assert found is not None
    assert (found.check, str(found.severity)) == (check, severity)
    assert bool(found.mend) == (severity != "ok")


def test_without_tls_a_redirect_of_the_host_itself_is_no_portal() -> None:
    assert judge_plain("assets.example", Answer(301, (("location", "https://assets.example/"),))) is None
    assert judge_plain("assets.example", None) is None


@pytest.mark.parametrize(
    ("header", "offered"),
    [
        ("Negotiate", ["Negotiate"]),
        ('Basic realm="Contoso, Ltd", charset="UTF-8"', ["Basic"]),
        ('NTLM, Basic realm="a b"', ["NTLM", "Basic"]),
        ('Digest realm="x", qop="auth,auth-int", nonce="abc==", algorithm=MD5', ["Digest"]),
        ("NTLM TlRMTVNTUAAC", ["NTLM"]),
    ],
)
def test_the_schemes_of_a_challenge_are_told_from_its_parameters(header: str, offered: list[str]) -> None:
    assert schemes(header) == offered


def test_a_proxy_that_lets_ours_in_is_fine_whatever_it_offers() -> None:
    seen = [HostSeen(NOWHERE, Stage.DONE, by="http://p:1")]
    assert judge_proxy(ProxySeen("http://p:1", status=407, offered=("NTLM",), given=True), seen).severity is Severity.OK


@pytest.mark.parametrize(
    ("name", "said", "check"),
    [
        ("python", "HTTP 502\n", "ok"),
        ("node", "HTTP 404", "ok"),
        ("uv", "error: No solution found\n  cause: Because x was not found in the package registry", "ok"),
        ("pip", "ERROR: No matching distribution found for x", "ok"),
        ("npm", "npm error code E404\nnpm error 404 Not Found", "ok"),
        ("git", "fatal: unable to access 'https://a/': The requested URL returned error: 403", "ok"),
        ("curl", "curl: (60) SSL certificate problem: unable to get local issuer certificate\nHTTP 000", "trust"),
        ("python", "urllib.error.URLError: <urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate>", "trust"),
        ("uv", "error: Failed to fetch\n  Caused by: invalid peer certificate: UnknownIssuer", "trust"),
        ("npm", "npm error code SELF_SIGNED_CERT_IN_CHAIN", "trust"),
        ("node", "TypeError: fetch failed UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "trust"),
        ("workerd", "error: TLS peer's certificate is not trusted; reason = self-signed certificate", "trust"),
        ("node", "TypeError: fetch failed ECONNREFUSED connect ECONNREFUSED 10.0.0.1:3128", "did not reach"),
        ("node", "TypeError: fetch failed ENOTFOUND getaddrinfo", "no address"),
        (
            "pip",
            "WARNING: Retrying after connection broken by 'ReadTimeoutError'\nERROR: No matching distribution found",
            "did not reach",
        ),
        ("python", "urllib.error.URLError: <urlopen error [Errno 101] Network is unreachable>", "past the proxy"),
        ("git", "it went wrong", "another way"),
    ],
)
def test_what_a_client_says_is_understood(name: str, said: str, check: str) -> None:
    (found,) = judge_clients([ClientSeen(name, True, int(check != "ok" or name not in ("python", "node")), said)])
    assert (found.severity is Severity.OK) == (check == "ok")
    assert check == "ok" or check in found.what


def test_a_client_that_is_not_there_is_skipped_and_one_that_hangs_is_a_finding() -> None:
    absent, hangs = judge_clients([ClientSeen("git", False), ClientSeen("uv", True, -9, "", True, 15.0)])
    assert absent.severity is Severity.SKIPPED
    assert (hangs.severity, "15 s" in hangs.evidence) == (Severity.FAIL, True)


def test_a_workers_container_that_does_not_start_is_a_finding() -> None:
    """What is no JSON is what compose or the entrypoint said."""
    assert checks(judge_worker("drydock: its CA certificate is not there\n")) == [("clients.all", "fail")]
    assert checks(judge_worker("")) == [("clients.all", "skipped")]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("26.1.5+dfsg1", "26.1.5"),
        ("github.com/docker/buildx v0.13.1 788433953", "0.13.1"),
        ("workerd 2026-11-17", "1.20261117.0"),
        ("uv 0.13.9 (x86_64-unknown-linux-gnu)", "0.13.9"),
        ("v24.21.0", "24.21.0"),
        ("Cannot connect to the Docker daemon", None),
    ],
)
def test_a_version_is_found_in_what_programs_print(text: str, version: str | None) -> None:
    assert read_version(text) == version


def test_an_old_version_says_required_and_have() -> None:
    old, new, unknown = judge_versions({"docker": "24.0.9", "compose": "2.30.1", "other": "1", "node": ""})
    assert (old.severity, old.evidence) == (Severity.FAIL, "required 25.0, have 24.0.9")
    assert (new.severity, unknown.severity) == (Severity.OK, Severity.SKIPPED)


def sealed(text: str = "10.213.77.0/24") -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(text)


def test_a_vpns_route_over_the_sealed_network_is_named_with_a_free_one() -> None:
    machine = MachineNetworks(
        [("tun0", ipaddress.ip_network("10.0.0.0/8")), ("eth0", ipaddress.ip_network("0.0.0.0/0"))], {}, {}
    )
    (found,) = judge_networks(machine, sealed())
    assert (found.check, found.severity) == ("networks.overlap", Severity.FAIL)
    assert "tun0" in found.evidence
    assert found.mend.endswith("DRYDOCK_NETWORK=192.168.200")


def test_networks_of_docker_that_cover_what_containers_need_are_named() -> None:
    docker = {"other_default": sealed("172.18.0.0/16"), "x_sealed": sealed(), "old_net": sealed("10.213.0.0/16")}
    needed = {"the corporate proxy 172.18.3.4": ipaddress.ip_address("172.18.3.4")}
    found = judge_networks(MachineNetworks([], docker, needed), sealed())
    assert {(one.check, *one.subjects) for one in found} == {
        ("networks.covered", "other_default"),
        ("networks.taken", "10.213.77.0/24"),
    }
    assert judge_networks(MachineNetworks([], {"x_sealed": sealed()}, {}), sealed())[0].severity is Severity.OK


def test_a_sealed_network_with_a_route_or_another_resolver_is_not_sealed() -> None:
    right = SealedSeen("10.1.1.10", "", ("10.1.1.10",), ())
    assert checks(judge_sealed(right)) == [("networks.sealed", "ok"), ("networks.dns", "ok")]
    wrong = SealedSeen("10.1.1.10", "172.20.0.3", ("93.0.0.1",), ("1.2.3.4",))
    assert checks(judge_sealed(wrong)) == [("networks.open", "fail"), ("networks.dns", "fail"), ("networks.dns", "fail")]
    assert checks(judge_sealed(SealedSeen("10.1.1.10", "", (), ()))) == [("networks.sealed", "ok"), ("networks.dns", "fail")]


def test_a_narrow_way_out_is_held_against_dockers_networks() -> None:
    (found,) = judge_interfaces(("tun0", 1400), {"bridge": 0, "drydock_egress": 1400})
    assert (found.severity, "bridge: 1500" in found.evidence, '"1400"' in found.mend) == (Severity.WARN, True, True)
    assert judge_interfaces(("eth0", 1500), {"bridge": 0})[0].severity is Severity.OK
    assert judge_interfaces(None, {"bridge": 0}) == []


@pytest.mark.parametrize(
    ("environment", "check", "mend"),
    [
        ({"DRYDOCK_CORPORAT_CA": "x"}, "settings.name", "DRYDOCK_CORPORATE_CA"),
        ({"DRYDOCK_NETWORK": "10.213.77.0/24"}, "settings.network", "DRYDOCK_NETWORK="),
        ({"DRYDOCK_NETWORK": "10.213.777"}, "settings.network", "DRYDOCK_NETWORK="),
        ({"HTTPS_PROXY": "http://a:1", "https_proxy": "http://b:1"}, "settings.proxy", "https_proxy="),
        ({"HTTP_PROXY": "socks5://a:1"}, "settings.proxy", "http://"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_named(environment: dict[str, str], check: str, mend: str) -> None:
    (found,) = judge_settings(environment)
    assert found.check == check
    assert mend in found.mend


def test_a_proxy_on_loopback_is_a_fault_for_containers_alone() -> None:
    """Without Docker it is what px and cntlm are started as."""
    environment = {
        "HTTPS_PROXY": "http://127.0.0.1:3128",
        "HTTP_PROXY": "http://[::1]:3128",
        "https_proxy": "socks5://127.0.0.1",
    }
    assert [(one.check, *one.subjects) for one in judge_loopback(environment)] == [
        ("settings.loopback", "HTTPS_PROXY"),
        ("settings.loopback", "HTTP_PROXY"),
    ]
    assert "settings.loopback" not in [one.check for one in judge_settings(environment)]


def test_settings_that_can_be_read_are_fine() -> None:
    settings = {"DRYDOCK_MODE": "online", "DRYDOCK_NETWORK": "10.9.7", "DRYDOCK_HELLO_PORT": "1", "HTTPS_PROXY": "http://a.b:1"}
    assert [one.severity for one in judge_settings(settings)] == [Severity.OK]


@pytest.mark.parametrize(
    ("seen", "check", "severity"),
    [
        (DiskSeen("s", free=10 << 30, free_files=10**6), "disk.room", "ok"),
        (DiskSeen("s", free=500 << 20, free_files=10**6), "disk.little", "warn"),
        (DiskSeen("s", free=10 << 30, free_files=5), "disk.full", "fail"),
        (DiskSeen("s", free=0, unwritable="No space"), "disk.full", "fail"),
        (DiskSeen("s", free=10 << 30, unwritable="Read-only"), "disk.unwritable", "fail"),
        (DiskSeen("s", free=10 << 30, responses=4, missing=1), "store.incomplete", "warn"),
        (DiskSeen("s", free=10 << 30, aside=2), "store.quarantine", "warn"),
    ],
)
def test_a_disk_is_judged_by_room_writing_and_what_the_store_says(seen: DiskSeen, check: str, severity: str) -> None:
    assert (check, severity) in checks(judge_disk(seen))


def test_one_wrong_host_does_not_make_the_clock_wrong() -> None:
    at = 1_800_000_000.0
    right = Answer(200, (("date", "Fri, 15 Jan 2027 08:00:00 GMT"),), at=at)
    old = Answer(200, (("date", "Fri, 15 Jan 2027 06:00:00 GMT"), ("age", "7200")), at=at)
    wrong = Answer(200, (("date", "Mon, 01 Jan 2001 00:00:00 GMT"),), at=at)
    assert judge_clock([("a", right), ("b", wrong), ("c", old)]).severity is Severity.OK
    assert judge_clock([("b", wrong)]).severity is Severity.FAIL
    assert judge_clock([("b", Answer(200, (("date", "yesterday"),)))]).severity is Severity.SKIPPED


def test_what_holds_for_several_hosts_is_said_once_and_the_worst_first() -> None:
    one = Finding("a.b", Severity.OK, ("x",), "Fine.", "x: 1")
    more = Finding("a.b", Severity.OK, ("y",), "Fine.", "y: 1")
    bad = Finding("a.c", Severity.FAIL, ("z",), "Bad.", "", "mend it")
    assert together([one, more, bad, one]) == [bad, Finding("a.b", Severity.OK, ("x", "y"), "Fine.", "x: 1")]


def test_a_probe_that_saw_all_well_leads_to_no_finding() -> None:
    seen = {
        "clients": [{"name": "uv", "there": True, "code": 0, "said": "HTTP 404", "timed_out": False, "seconds": 0.1}],
        "network": {"proxy": "10.1.1.10", "route": "", "allowed": ["10.1.1.10"], "nonsense": []},
        "versions": {"uv": "uv 0.13.9", "node": "v24.1.0"},
    }
    found = judge_worker(f"Container noise\n{json.dumps(seen)}\n")
    assert {one.severity for one in found} == {Severity.OK}
    assert len(found) == 5


def test_a_stage_that_was_not_reached_is_not_judged() -> None:
    assert judge_answer(HostSeen(NOWHERE, Stage.NAME, Trouble.NO_DNS)) is None


def test_a_login_that_corporate_auth_was_refused_is_no_other_scheme() -> None:
    """px offers nothing itself; what is wrong is the file that it reads."""
    proxy = ProxySeen("http://corporate-auth:3128", status=407, given=True, mend="Mend the file.", authenticator=True)
    refused = HostSeen(NOWHERE, Stage.CONNECT, Trouble.LOGIN, by=proxy.url)
    found = judge_proxy(proxy, [refused])
    assert (found.check, found.mend) == ("accounts.refused", "Mend the file.")


def test_what_kerberos_says_behind_corporate_auth_is_the_finding() -> None:
    proxy = ProxySeen("http://corporate-auth:3128", status=522, said="It expired.", mend="kinit -c x", authenticator=True)
    refused = HostSeen(NOWHERE, Stage.CONNECT, Trouble.LOGIN, by=proxy.url)
    found = judge_proxy(proxy, [refused])
    assert (found.check, found.evidence, found.mend) == ("accounts.ticket", "It expired.", "kinit -c x")
