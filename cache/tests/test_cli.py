"""The command line: results on standard output, the rest on standard error, one sentence for an error."""

import json
import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from drydock_cache.digest import Digest
from drydock_cache.plan import Asset, AssetKind, Plan, plan_to_json
from drydock_cache.store import Store

from cache.tests.command_line import Done, Run, one_sentence, outside
from cache.tests.conftest import OpenStore
from cache.tests.disks import read_only
from tests.upstream.pki import Authority
from tests.upstream.scripted import Upstream

BODY = os.urandom(300_000)
URL = "https://assets.example/a.whl"
COMMAND = str(Path(sys.executable).with_name("drydock"))


@pytest.fixture
def drydock(command: Run) -> Run:
    """Runs the command line in this process: drydock("warm", "--url", …)."""
    return command


def test_the_installed_command_has_help_and_a_version(place: Path) -> None:
    """As a process of its own, as a user starts it."""

    def run(argument: str) -> Done:
        done = subprocess.run([COMMAND, argument], cwd=place, capture_output=True, text=True, timeout=60, check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    shown = run("--help")
    assert shown.returncode == 0
    assert all(command in shown.stdout for command in ("env", "plan", "warm"))
    version = run("--version")
    assert (version.returncode, version.stderr) == (0, "")
    assert version.stdout.count(".") == 2


def test_warm_fetches_once_and_says_what_it_did(
    drydock: Run, place: Path, internet: Upstream, authority_file: Path, open_store: OpenStore
) -> None:
    """Plain lines in a log; the second run fetches nothing; what was fetched is in the store that is named."""
    internet.route("/a.whl", BODY)
    arguments = ["warm", "--url", URL, "--store", "kept", *outside(internet, authority_file)]
    first = drydock(*arguments)
    assert (first.returncode, first.stdout) == (0, "")
    assert "fetching a.whl (300,000 bytes)\n" in first.stderr
    assert "warm: 1 fetched (300,000 bytes), 0 present, 0 failed\n" in first.stderr
    second = drydock(*arguments)
    assert second.stderr == "warm: 0 fetched (0 bytes), 1 present, 0 failed\n"
    assert internet.count("/a.whl") == 1
    assert open_store(place / "kept").find(URL)


def test_a_warm_start_imports_nothing_that_speaks_to_upstream(
    drydock: Run, place: Path, internet: Upstream, authority_file: Path
) -> None:
    """It takes longer than all that such a start does; what is missing is fetched all the same, and nothing else."""
    more = f"{URL}?more"
    internet.route("/a.whl", BODY)
    arguments = ["warm", "--url", URL, *outside(internet, authority_file)]
    assert drydock(*arguments).returncode == 0
    code = (
        "import sys; from drydock_cache import cli; cli._load_commands(); cli.app(standalone_mode=False); "
        "print([name for name in ('httpx', 'httpcore', 'asyncio', 'cryptography') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "warm: 0 fetched (0 bytes), 1 present, 0 failed\n")
    both = drydock(*arguments, "--url", more)
    assert "warm: 1 fetched (300,000 bytes), 1 present, 0 failed\n" in both.stderr
    assert internet.count("/a.whl") == 2


def test_a_warm_start_refuses_files_that_a_cold_one_could_not_use(
    drydock: Run, place: Path, internet: Upstream, authority_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is missing today; who learns of them when something is, learns it too late."""
    internet.route("/a.whl", BODY)
    arguments = ["warm", "--url", URL, *outside(internet, authority_file)]
    assert drydock(*arguments).returncode == 0
    (place / "ca.pem").write_text("no certificate")
    assert "ca.pem" in one_sentence(drydock(*arguments, f"--upstream-ca={place / 'ca.pem'}"))[0]
    (place / "login").write_text("no colon")
    monkeypatch.setenv("DRYDOCK_PROXY_CREDENTIALS", str(place / "login"))
    assert "login, line 1, is no user and password" in one_sentence(drydock(*arguments))[0]


def test_warm_takes_a_plan_and_holds_the_bytes_to_it(
    drydock: Run, place: Path, internet: Upstream, authority_file: Path
) -> None:
    """F14: the error names both digests, once, and the status is 1."""
    internet.route("/a.whl", BODY, "wrongbytes_once")
    asset = Asset(URL, AssetKind.BUNDLE, Digest.of(BODY), None, "a test", "hello")
    (place / "plan.json").write_text(plan_to_json(Plan((asset,), ("something to know",))))
    arguments = ["warm", "--plan", "plan.json", *outside(internet, authority_file)]
    wrong = drydock(*arguments)
    assert wrong.returncode == 1
    assert "note: something to know" in wrong.stderr
    assert wrong.stderr.count(f"expected {Digest.of(BODY)}") == 1
    right = drydock(*arguments)
    assert right.returncode == 0, right.stderr


def test_warm_shows_a_bar_on_a_terminal(drydock: Run, place: Path, internet: Upstream, authority_file: Path) -> None:
    """On a terminal each download has a bar, and the summary stays."""
    internet.route("/a.whl", BODY, "slow")
    ours, theirs = pty.openpty()
    command = [COMMAND, "warm", "--url", URL, *outside(internet, authority_file)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, cwd=place, env=environment, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, 65536):
                shown += data
        except OSError:  # a terminal whose other side is gone
            pass
    os.close(ours)
    assert process.returncode == 0
    assert "━".encode() in shown
    assert b"MB/s" in shown or b"kB/s" in shown
    assert b"warm: 1 fetched" in shown


def test_a_dry_run_prints_the_plan_and_fetches_nothing(
    drydock: Run, place: Path, internet: Upstream, authority_file: Path
) -> None:
    """Tabs between the columns where it is piped on; no store is made."""
    done = drydock("warm", "--dry-run", "--url", URL, *outside(internet, authority_file))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\t")[:3] == ["other", URL, "-"]
    assert internet.connections == 0
    assert not (place / "store").exists()


@pytest.mark.parametrize(
    ("arguments", "said", "mend"),
    [
        (["warm"], "nothing to warm", "--plan FILE or --url URL"),
        (["warm", "--url", "https://other.example/a"], "is not an asset by the policy", 'Add "other.example"'),
        (["warm", "--url", "https://index.example/a"], "is not an asset by the policy", ""),
        (["warm", "--url", URL, "--config", "none.toml"], "none.toml cannot be read: No such file", "--config FILE"),
        (["warm", "--url", URL, "--resolve", "x"], "--resolve 'x' cannot be read", "HOST=ADDRESS:PORT"),
        (["warm", "--url", URL, "--upstream-ca", "none.pem"], "none.pem cannot be read", "DRYDOCK_CORPORATE_CA"),
        (["warm", "--plan", "none.json"], "none.json cannot be read", "drydock plan"),
        (["warm", "--url", URL, "--store", "drydock.toml"], "store cannot be written", "--store DIR"),
        (["plan"], "nothing to plan for", "drydock plan workers/hello"),
        (["plan", "hello", "--workerd", "none"], "no workerd to ask: none is no file", "--workerd FILE"),
        (["env"], "state/ca.pem is not there", "drydock proxy"),
        (["env", "--ca", "drydock.toml"], "drydock.toml is neither PEM nor DER", "DRYDOCK_CORPORATE_CA"),
    ],
)
def test_bad_input_ends_in_one_sentence_and_what_mends_it(
    drydock: Run, place: Path, arguments: list[str], said: str, mend: str
) -> None:
    error, remedy = one_sentence(drydock(*arguments))
    assert said in error
    assert mend in remedy


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pni = []\n", 'drydock.toml, line 1: unknown key "pni". Did you mean "pin"?'),
        ("pin = [\n", "drydock.toml is not valid TOML"),
        ("[upstream]\nx = 1\n", "[upstream] has an unknown key 'x'"),
    ],
)
def test_a_wrong_policy_ends_in_one_sentence(drydock: Run, place: Path, text: str, said: str) -> None:
    (place / "drydock.toml").write_text(text)
    assert said in one_sentence(drydock("warm", "--url", URL))[0]


def test_an_upstream_that_is_away_ends_in_one_sentence(
    drydock: Run, place: Path, internet: Upstream, authority_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F21; and a wrong proxy address, which shows no password."""
    internet.stop()
    done = drydock("warm", "--url", URL, *outside(internet, authority_file))
    assert done.returncode == 1
    assert "error: The upstream assets.example cannot be reached" in done.stderr
    assert "1 failed" in done.stderr
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hunter2#@proxy.example")
    bad = drydock("warm", "--url", URL)
    assert "HTTPS_PROXY is not a proxy address" in one_sentence(bad)[0]
    assert "hunter2" not in bad.stderr


def test_a_read_only_store_ends_warm_in_one_sentence(
    drydock: Run, place: Path, internet: Upstream, authority_file: Path
) -> None:
    """F32."""
    Store.open(place / "store").close()
    with read_only(place / "store"):
        error, remedy = one_sentence(drydock("warm", "--url", URL, *outside(internet, authority_file)))
    assert "The store cannot be written" in error
    assert "write access" in remedy


def test_env_prints_what_a_shell_takes(drydock: Run, place: Path, authority: Authority) -> None:
    """eval "$(drydock env)" sets them, also where the path has a space in it."""
    folder = place / "with space"
    folder.mkdir()
    ca = authority.write(folder / "ca.pem")
    done = drydock("env", "--ca", str(ca), "--proxy", "http://127.0.0.1:9999")
    assert (done.returncode, done.stderr) == (0, "")
    script = f'{done.stdout}\necho "$HTTPS_PROXY|$SSL_CERT_FILE"'
    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown == f"http://127.0.0.1:9999|{folder / 'ca-bundle.pem'}\n"
    assert all(shlex.split(line)[0] == "export" for line in done.stdout.splitlines())


def test_a_plan_is_json_on_standard_output_or_in_a_file(drydock: Run, place: Path) -> None:
    """A JavaScript Worker without packages needs nothing; that is a plan too."""
    worker = place / "worker"
    worker.mkdir()
    (worker / "wrangler.jsonc").write_text('{"name": "js", "main": "index.js", "compatibility_date": "2026-01-01"}')
    (worker / "index.js").write_text("export default {}")
    workerd = place / "workerd"
    workerd.write_text("#!/bin/sh\nexit 1\n")
    workerd.chmod(0o755)
    done = drydock("plan", "worker", "--workerd", str(workerd))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["assets"] == []
    drydock("plan", "worker", "--workerd", str(workerd), "--output", "plan.json")
    assert json.loads((place / "plan.json").read_text()) == json.loads(done.stdout)
    error, remedy = one_sentence(drydock("plan", "worker", "--workerd", str(workerd), "--output", "none/plan.json"))
    assert "cannot be written to none/plan.json" in error
    assert "--output FILE" in remedy
