"""The host policy: what drydock.toml may say, what it decides, and how each complaint reads."""

import time
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from drydock_cache.errors import ConfigError
from drydock_cache.policy import Action, HostAction, Policy, RegistryHosts

DEFAULT = Path(__file__).parents[2] / "drydock.toml"

TEXT = """\
# first line
pin = [
    "bundles.example.net",
    "files.example.com/releases/*/download/*.gz",
    "*.cdn.example.org:8443",
]
revalidate = ["index.example.com", "files.example.com/pages/*"]

tunnel = ["api.example.com", "*.live.example.com"]
deny = ["evil.live.example.com"]
"""


def policy(text: str = TEXT, *registries: RegistryHosts, tables: tuple[str, ...] = ()) -> Policy:
    return Policy.parse(text, "drydock.toml", registries, tables)


@pytest.mark.parametrize(
    ("host", "port", "action"),
    [
        ("bundles.example.net", 443, HostAction.INTERCEPT),
        ("BUNDLES.Example.NET.", 443, HostAction.INTERCEPT),
        ("bundles.example.net", 80, HostAction.DENY),
        ("sub.bundles.example.net", 443, HostAction.DENY),
        ("xbundles.example.net", 443, HostAction.DENY),
        ("a.cdn.example.org", 8443, HostAction.INTERCEPT),
        ("a.b.cdn.example.org", 8443, HostAction.INTERCEPT),
        ("cdn.example.org", 8443, HostAction.DENY),
        ("a.cdn.example.org", 443, HostAction.DENY),
        ("api.example.com", 443, HostAction.TUNNEL),
        ("one.live.example.com", 443, HostAction.TUNNEL),
        ("evil.live.example.com", 443, HostAction.DENY),
        ("evil.live.example.com", 8443, HostAction.DENY),
        ("live.example.com", 443, HostAction.DENY),
        ("example.com", 443, HostAction.DENY),
    ],
)
def test_a_host_is_intercepted_tunnelled_or_refused_by_its_pattern(host: str, port: int, action: HostAction) -> None:
    """Exact names, wildcards at any depth and ports decide; nothing matches by half."""
    assert policy().host(host, port).action is action


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "a..b",
        "-a.example",
        "a b.example",
        "a/b",
        "a@b",
        "x\x00.example",
        "a" * 64 + ".example",
        "a." * 130,
        "127.1",
        "2852039166",
        "0x7f000001",
        "0x7f.0.0.1",
        "127.0.0.01",
        "[::1",
        "fe80::1%eth0",
        "1.2.3.4.5",
        "straße.example",
    ],
)
def test_what_is_no_host_is_refused_even_when_everything_is_tunnelled(host: str) -> None:
    """Numbers that some clients read as addresses and malformed names never get through a wildcard."""
    decision = policy('tunnel = ["*"]').host(host)
    assert decision.action is HostAction.DENY
    assert decision.reason


@pytest.mark.parametrize("host", ["169.254.169.254", "::1", "[::ffff:a9fe:a9fe]", "0.0.0.0", "localhost", "x.localhost"])
def test_addresses_and_localhost_pass_only_when_they_are_written_out(host: str) -> None:
    """`*` means public names; an address is allowed by itself alone."""
    assert policy('tunnel = ["*"]').host(host).action is HostAction.DENY
    written = f"[{host.strip('[]')}]" if ":" in host else host
    assert policy(f'tunnel = ["{written}"]').host(host).action is HostAction.TUNNEL


def test_every_other_name_is_tunnelled_by_a_star_and_denials_hold() -> None:
    """`tunnel = ["*"]` opens all names but those denied, and leaves interception as it is."""
    open_policy = policy('tunnel = ["*"]\npin = ["bundles.example.net"]\ndeny = ["*.evil.example"]')
    assert open_policy.host("anything.example").action is HostAction.TUNNEL
    assert open_policy.host("anything.example", 22).action is HostAction.DENY
    assert open_policy.host("bundles.example.net").action is HostAction.INTERCEPT
    assert open_policy.host("very.evil.example").action is HostAction.DENY


@pytest.mark.parametrize(
    ("path", "action"),
    [
        ("/releases/1/download/a.gz", Action.PIN),
        ("/releases/1/2/download/x/a.gz?token=x", Action.PIN),
        ("/releases/download/a.gz", Action.DENY),
        ("/releases/1/download/a.gz/more", Action.DENY),
        ("/pages/x", Action.REVALIDATE),
        ("/pages", Action.DENY),
        ("/", Action.DENY),
        ("/pages/../secret", Action.DENY),
        ("/pages/%2e%2E/secret", Action.DENY),
        ("/pages/..%2fsecret", Action.DENY),
        ("/pages/.%2e%5csecret", Action.DENY),
        ("/pages/a%00b", Action.DENY),
        ("/pages/a\\b", Action.DENY),
        ("/pages/é", Action.DENY),
        ("pages/x", Action.DENY),
        ("", Action.DENY),
        ("/pages/@scope%2fname", Action.REVALIDATE),
        ("/pages/a%20b..c", Action.REVALIDATE),
    ],
)
def test_a_request_on_an_intercepted_host_needs_a_matching_path(path: str, action: Action) -> None:
    """Globs match the path without its query, and a path that another reader could see differently never matches."""
    assert policy().request("files.example.com", 443, path).action is action


def test_a_hostile_path_does_not_slow_a_glob_down() -> None:
    """Matching stays linear: a long path that nearly matches at every place is refused within a moment."""
    greedy = policy('pin = ["a.example/x*a*a*a*a*a*a*ab"]')
    start = time.perf_counter()
    assert greedy.request("a.example", 443, "/x" + "a" * 8000 + "c").action is Action.DENY
    assert time.perf_counter() - start < 0.5


def test_deciding_is_fast_enough_for_every_request() -> None:
    """A thousand requests against two hundred listed hosts take well under half a second."""
    listed = ", ".join(f'"h{number}.example.com/a/*"' for number in range(200))
    large = policy(f"pin = [{listed}]")
    start = time.perf_counter()
    for number in range(1000):
        assert large.request(f"h{number % 200}.example.com", 443, "/a/b").action is Action.PIN
    assert time.perf_counter() - start < 0.5


def test_pin_goes_before_revalidate_and_revalidate_before_tunnel() -> None:
    """The order of the lists decides, not the order in the file nor how exact a pattern is."""
    mixed = policy('tunnel = ["a.example.com"]\nrevalidate = ["a.example.com"]\npin = ["*.example.com/x/*"]')
    assert mixed.request("a.example.com", 443, "/x/1").action is Action.PIN
    assert mixed.request("a.example.com", 443, "/y").action is Action.REVALIDATE
    assert "has no effect" in mixed.notes[0]
    assert 'tunnel "a.example.com" (drydock.toml line 1)' in mixed.notes[0]


def test_a_request_on_a_tunnelled_or_unnamed_host_repeats_the_decision_about_the_host() -> None:
    """`request` gives the host's own answer where nothing is intercepted."""
    assert policy().request("api.example.com", 443, "/").action is Action.TUNNEL
    assert policy().request("unknown.example", 443, "/").action is Action.DENY


@pytest.mark.parametrize(
    ("host", "port", "reason", "mend"),
    [
        (
            "foo.example.com",
            443,
            "drydock.toml does not name foo.example.com",
            'Add "foo.example.com" to `tunnel` in drydock.toml (line 9).',
        ),
        ("foo.example.com", 8443, "foo.example.com:8443", 'Add "foo.example.com:8443" to `tunnel`'),
        ("api.example.com", 80, "on port 443 only, not on port 80", 'Add "api.example.com:80" to `tunnel`'),
        ("::1", 443, "is an IP address that drydock.toml does not list", 'Add "[::1]" to `tunnel`'),
        (
            "evil.live.example.com",
            443,
            'deny "evil.live.example.com" (drydock.toml line 10)',
            'Remove "evil.live.example.com" from `deny` (drydock.toml line 10).',
        ),
    ],
)
def test_a_refusal_names_its_reason_and_the_line_that_would_allow_it(host: str, port: int, reason: str, mend: str) -> None:
    """Each refusal of a host can be acted upon."""
    decision = policy().host(host, port)
    assert decision.action is HostAction.DENY
    assert reason in decision.reason
    assert mend in decision.mend


def test_a_refused_path_says_what_to_add() -> None:
    """A 403 on an intercepted host names the host, the path and the list that would take it."""
    decision = policy().request("files.example.com", 443, "/other/thing?x=1")
    assert "no pattern of it matches the path /other/thing" in decision.reason
    assert decision.mend == 'Add "files.example.com/other/thing" to `pin` in drydock.toml (line 2).'


def test_a_missing_list_is_offered_without_a_line() -> None:
    """Where the file has no such list, none is pretended."""
    assert policy("").host("a.example").mend == 'Add "a.example" to a list `tunnel` in drydock.toml.'


def test_a_decision_names_the_pattern_and_its_line() -> None:
    """Log lines can say which line decided."""
    decision = policy().request("files.example.com", 443, "/releases/1/download/a.gz")
    assert decision.pattern == "files.example.com/releases/*/download/*.gz"
    assert "drydock.toml line 4" in decision.reason


def test_dns_answers_for_allowed_names_alone() -> None:
    """Names that are intercepted or tunnelled on port 443 lead to the proxy, no others."""
    names = ["bundles.example.net", "x.live.example.com", "evil.live.example.com", "x.cdn.example.org", "other.example"]
    assert [policy().resolves(name) for name in names] == [True, True, False, False, False]


def test_the_ca_is_told_the_intercepted_hosts_alone() -> None:
    """Tunnelled and denied hosts are not among the constraints; a wildcard is its suffix with a leading dot."""
    assert policy().intercepted_hosts == (
        ".cdn.example.org",
        "bundles.example.net",
        "files.example.com",
        "index.example.com",
    )


REGISTRIES = (
    RegistryHosts("python", ("py.example.com", "files.py.example.com")),
    RegistryHosts("npm", ("mirror.example.com:8443",)),
)


@pytest.mark.parametrize(
    ("host", "port", "path", "action"),
    [
        ("files.py.example.com", 443, "/packages/ab/x-1-py3-none-any.whl", Action.PIN),
        ("files.py.example.com", 443, "/packages/ab/x-1-py3-none-any.whl.metadata", Action.PIN),
        ("files.py.example.com", 443, "/packages/ab/x-1.tar.gz?sig=1", Action.PIN),
        ("files.py.example.com", 443, "/packages/ab/x-1.zip", Action.PIN),
        ("py.example.com", 443, "/simple/x/", Action.REVALIDATE),
        ("py.example.com", 443, "/simple.zip", Action.REVALIDATE),
        ("mirror.example.com", 8443, "/npm/x/-/x-1.0.0.tgz", Action.PIN),
        ("mirror.example.com", 8443, "/@scope%2fname", Action.REVALIDATE),
        ("mirror.example.com", 8443, "/download.zip", Action.REVALIDATE),
        ("mirror.example.com", 8443, "/odd.tgz", Action.REVALIDATE),
        ("mirror.example.com", 443, "/x", Action.DENY),
    ],
)
def test_release_files_of_a_registry_are_pinned_and_the_rest_is_revalidated(
    host: str, port: int, path: str, action: Action
) -> None:
    """The layout of each kind tells a release file from a page, also for packages with misleading names."""
    assert policy('registries = ["python", "npm"]', *REGISTRIES).request(host, port, path).action is action


def test_registries_count_only_when_the_file_names_their_kind() -> None:
    """Hosts found at run time give no right by themselves."""
    assert policy('registries = ["npm"]', *REGISTRIES).host("py.example.com").action is HostAction.DENY


def test_a_registry_without_hosts_is_a_note_and_no_error() -> None:
    """The start goes on, and says what will be refused."""
    (note,) = policy('pin = ["a.example"]\nregistries = ["python", "npm"]', REGISTRIES[0]).notes
    assert note.startswith('drydock.toml line 2 names the registry "npm"')


def test_a_registry_may_be_a_single_label_or_an_address() -> None:
    """Mirrors in a company, and servers in a test, have such names."""
    local = policy('registries = ["npm"]', RegistryHosts("npm", ("nexus", "127.0.0.1:4873", "[::1]:4873")))
    assert local.host("nexus").action is HostAction.INTERCEPT
    assert local.host("127.0.0.1", 4873).action is HostAction.INTERCEPT
    assert local.host("::1", 4873).action is HostAction.INTERCEPT


@pytest.mark.parametrize("host", ["https://x.example", "x.example/simple", "*.example.com", "*", "a b", ""])
def test_a_registry_host_that_is_none_is_refused(host: str) -> None:
    """The complaint points at the client's configuration."""
    with pytest.raises(ConfigError, match="clients' configuration"):
        policy('registries = ["npm"]', RegistryHosts("npm", (host,)))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('pin = ["*"]', "everything would be decrypted"),
        ('revalidate = ["*"]', "everything would be decrypted"),
        ('pin = ["*.com"]', "whole top-level domain"),
        ('deny = ["*"]', "denies every host"),
        ('tunnel = ["a.example/x"]', "has a path"),
        ('deny = ["a.example/x"]', "has a path"),
        ('tunnel = [""]', "is empty"),
        ('tunnel = ["a.example b.example"]', "white space"),
        ('tunnel = [" a.example"]', "white space"),
        ('tunnel = ["a.example\\u200b"]', "control characters"),
        ('tunnel = ["https://a.example"]', 'has a scheme: write "a.example" alone'),
        ('pin = ["https://user:secret@a.example/x"]', "has a scheme"),
        ('tunnel = ["user@a.example"]', "user name"),
        ('pin = ["a.example/x?y=1"]', "query"),
        ('pin = ["a.example#x"]', "query or fragment"),
        ('pin = ["a.example/"]', 'ends in "/"'),
        ('pin = ["a.example/../x"]', "segments"),
        ('pin = ["a.example/é"]', "percent-encodes"),
        ('pin = ["a.example/' + "*x" * 9 + '"]', 'more than 8 "*"'),
        ('tunnel = ["a*.example"]', "none may stand"),
        ('tunnel = ["*.*.example"]', "none may stand"),
        ('tunnel = ["*example.com"]', "none may stand"),
        ('tunnel = ["*.127.0.0.1"]', "wildcard of an IP address"),
        ('tunnel = ["::1"]', "needs brackets"),
        ('tunnel = ["[::1"]', "neither a host name nor an IP address"),
        ('tunnel = ["127.1"]', "neither a host name nor an IP address"),
        ('tunnel = ["a..example"]', "is no host name"),
        ('tunnel = ["a.example:"]', 'has the port ""'),
        ('tunnel = ["a.example:0"]', 'has the port "0"'),
        ('tunnel = ["a.example:65536"]', 'has the port "65536"'),
        ('tunnel = ["a.example:٣"]', "has the port"),
        ('tunnel = ["straße.example"]', "xn--"),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_refused_with_its_line(line: str, says: str) -> None:
    """Every complaint names file and line, repeats the pattern, and masks credentials."""
    with pytest.raises(ConfigError) as caught:
        policy(f"# a comment\n\n{line}\n")
    assert str(caught.value).startswith("drydock.toml, line 3: ")
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_line_is_that_of_the_pattern_itself() -> None:
    """In a long list the complaint points at the string, past comments that look like strings."""
    text = 'tunnel = [\n    "a.example",  # "no.example"\n    # "commented.example",\n    "b.example", "c..example",\n]\n'
    with pytest.raises(ConfigError, match=r"line 4: the tunnel pattern \"c\.\.example\""):
        policy(text)


@pytest.mark.parametrize(
    "pattern",
    ["a.example:1", "a.example:65535", "a.example:00443", "a_b.example", ".".join(["a" * 49] * 5) + ".abc", "[::1]:8443"],
)
def test_the_limits_of_what_is_allowed_are_allowed(pattern: str) -> None:
    """The first and last port, leading zeros, underscores, 253 characters and addresses with ports are patterns."""
    assert policy(f'tunnel = ["{pattern}"]').key_lines == {"tunnel": 1}


def test_eight_stars_are_not_too_many() -> None:
    """The limit is above what anybody needs."""
    assert policy('pin = ["a.example/' + "*x" * 8 + '"]').request("a.example", 443, "/x" + "x" * 7).action is Action.PIN


def test_a_tunnel_that_works_is_no_note() -> None:
    """Only what another list takes away is noted, by port and by name; of "*" nothing is, whatever single names are pinned."""
    text = 'pin = ["b.example", "a.example:8443", "x.wild.example", "_"]\ntunnel = ["*", "a.example", "*.wild.example"]'
    assert policy(text).notes == ()
    (note,) = policy('deny = ["*.wild.example"]\ntunnel = ["*.wild.example"]').notes
    assert note.startswith('tunnel "*.wild.example" (drydock.toml line 2) has no effect: deny "*.wild.example"')


def test_international_names_are_compared_in_ascii() -> None:
    """A pattern in Unicode matches what clients send."""
    assert policy('tunnel = ["Bücher.example"]').host("xn--bcher-kva.example").action is HostAction.TUNNEL


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pin = [\n", "is not valid TOML"),
        ('\n"p\\u0069n" = ["a..example"]', "line 1: the pin pattern"),
        ('pin = "a.example"', "must be a list of strings, not str"),
        ("\npin = [1]", "line 2: pin must hold strings alone, not 1"),
        ('pin = ["a.example"]\npin = []', "is not valid TOML"),
        ('pins = ["a.example"]', 'line 1: unknown key "pins". Did you mean "pin"?'),
        ("\n\nzzz = 1", 'line 3: unknown key "zzz". The keys are deny, pin, revalidate, tunnel, registries, upstream.'),
        ("[tunel]\n", 'line 1: unknown key "tunel". Did you mean "tunnel"?'),
        ("upstream = 3", "upstream must be a table"),
        ("[upstream]\nproxy = 1\ntunnel = []", '"tunnel" stands below the header [upstream]'),
        ('\nregistries = ["python", "cargo"]', 'line 2: unknown kind of registry "cargo". The kinds are python, npm.'),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_one_sentence(text: str, says: str) -> None:
    """Wrong keys, types and kinds name file, line and what is allowed."""
    with pytest.raises(ConfigError) as caught:
        policy(text, tables=("upstream",))
    assert str(caught.value).startswith("drydock.toml")
    assert says in str(caught.value)


def test_extra_tables_are_handed_back_raw() -> None:
    """The caller's own tables come back as they stand, and only those present."""
    parsed = policy('pin = ["a.example"]\n[upstream]\ntimeout = 5\n', tables=("upstream", "store"))
    assert {name: dict(table) for name, table in parsed.extra.items()} == {"upstream": {"timeout": 5}}


@pytest.mark.parametrize(
    ("content", "says"), [(None, "cannot be read: No such file"), (b"pin = ['\xff']", "is not UTF-8 text (byte 8)")]
)
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes | None, says: str) -> None:
    """A missing file and one in another encoding are told apart."""
    path = tmp_path / "drydock.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        Policy.load(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    """Files written on Windows load."""
    path = tmp_path / "drydock.toml"
    path.write_bytes(b'\xef\xbb\xbfpin = ["a.example"]\r\nrevalidate = []\r\n')
    assert Policy.load(path).intercepted_hosts == ("a.example",)


@pytest.mark.parametrize(
    ("url", "action"),
    [
        ("pyodide-capnp-bin.edgeworker.net/pyodide_0.28.2_2025-01-16_22.capnp.bin", Action.PIN),
        ("pyodide-capnp-bin.edgeworker.net/python-package-bucket/20240829.4/x.tar.gz", Action.PIN),
        ("pyodide.runtime-playground.workers.dev/pyodide-capnp-bin/pyodide_0.26.0a2_2024-03-01_3.capnp.bin", Action.PIN),
        ("pyodide-packages.runtime-playground.workers.dev/20240829.4/hashlib.tar.gz", Action.PIN),
        (
            "storage.googleapis.com/cloudflare-edgeworker-python-packages/python-package-bucket/20240829.4/x.tar.gz",
            Action.PIN,
        ),
        ("storage.googleapis.com/someone-elses-bucket/x.tar.gz", Action.DENY),
        ("releases.astral.sh/github/python-build-standalone/releases/download/2/c-3.14%2B2-l.tar.gz", Action.PIN),
        ("github.com/astral-sh/python-build-standalone/releases/download/2/c-3.14%2B2-l.tar.gz", Action.PIN),
        ("github.com/pyodide/pyodide/releases/download/314.0.7/xbuildenv-314.0.7.tar.gz", Action.PIN),
        ("github.com/login", Action.DENY),
        ("index.pyodide.org/314.0.7/fastapi/", Action.REVALIDATE),
        ("api.cloudflare.com/client/v4/user", Action.TUNNEL),
        ("dash.cloudflare.com/oauth2/token", Action.TUNNEL),
        ("discord.com/api/v10", Action.TUNNEL),
        ("abc123.api.sanity.io/v1", Action.TUNNEL),
        ("sparrow.cloudflare.com/event", Action.DENY),
        ("169.254.169.254/latest", Action.DENY),
    ],
)
def test_the_shipped_policy_knows_what_the_toolchain_asks(url: str, action: Action) -> None:
    """The default drydock.toml pins assets, tunnels APIs unread, and refuses the rest."""
    host, slash, path = url.partition("/")
    shipped = Policy.load(DEFAULT)
    assert shipped.request(host, 443, slash + path).action is action


def test_the_shipped_policy_decrypts_no_api() -> None:
    """Cloudflare's, Discord's and Sanity's hosts are outside what the CA may sign for."""
    for host in Policy.load(DEFAULT).intercepted_hosts:
        assert not host.endswith(("cloudflare.com", "discord.com", "sanity.io"))


def test_a_host_that_is_let_through_needs_no_mending_and_a_denied_one_names_its_line() -> None:
    """Only what a deny line refuses is mended by removing it."""
    found = policy()
    assert [found.host(name).mend for name in ("api.example.com", "bundles.example.net")] == ["", ""]
    assert found.host("evil.live.example.com").mend == 'Remove "evil.live.example.com" from `deny` (drydock.toml line 10).'


def test_a_request_on_a_denied_host_has_the_reason_of_the_host() -> None:
    """The path is not looked at: a deny line says more than a path that fits nothing."""
    decision = policy().request("evil.live.example.com", 443, "/a")
    assert (decision.action, decision.pattern) == (Action.DENY, "")
    assert decision.reason == policy().host("evil.live.example.com").reason


def test_what_is_long_is_shown_by_its_first_200_characters() -> None:
    """A host, an ambiguous path and a path that nothing fits are quoted, but not at any length."""
    found = policy()
    assert f"'{'x' * 200}' " in found.host("x" * 300).reason
    assert f"'{'/' + '%00' * 66 + '%'}' " in found.request("files.example.com", 443, "/" + "%00" * 100).reason
    assert found.request("files.example.com", 443, "/" + "x" * 300).reason.endswith("the path /" + "x" * 199)


def test_decisions_are_values_and_the_rules_stay_out_of_logs() -> None:
    """Nobody changes a decision or a policy once it is made, and showing a policy does not print all of it."""
    found = policy()
    for value, name in (
        (found, "source"),
        (found.host("a.example"), "reason"),
        (found.request("a.example", 443, "/"), "reason"),
    ):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, "other")
    assert "bundles" not in repr(found)
    assert "key_lines" not in repr(found)


def test_a_name_that_no_ascii_form_fits_is_refused() -> None:
    """A label is 63 characters long at most, in its ASCII form too."""
    assert "cannot be translated without doubt" in policy().host("ü" * 70 + ".example").reason
