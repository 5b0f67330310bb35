"""Rehearsals with real clients: each miss with who asked, entries for the lock, and a certificate at the end."""

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from drydock_cache.lockfile import read_locks

from tests.integration.running import RunningProxy, drydock, plain_environment
from tests.integration.ways import Way, ask, header, secure
from tests.upstream.scripted import Upstream

POLICY = 'pin = ["assets.example"]\nrevalidate = ["index.example"]\ntunnel = ["tunnel.example"]\n'
ASSET, PAGE = "https://assets.example/a.whl", "https://index.example/simple/a/"
BODY = bytes(range(256)) * 40


@dataclass(frozen=True)
class Place:
    """A folder with a policy, and the upstream that it leads to."""

    folder: Path
    upstream: Upstream
    outside: tuple[str, ...]

    def run(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> "subprocess.CompletedProcess[str]":
        """Run `drydock rehearse` there."""
        command = [drydock(), "rehearse", *arguments]
        environment = plain_environment(self.folder)
        return subprocess.run(
            command, cwd=self.folder, env=environment, stdin=stdin, capture_output=True, text=True, timeout=60, check=False
        )

    def own(self, *arguments: str, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        """Rehearse a command with a proxy of the rehearsal's own."""
        return self.run(*self.outside, *arguments, "--", *command)


@pytest.fixture
def place(start_upstream: Callable[..., Upstream], tmp_path: Path) -> Place:
    upstream = start_upstream("assets.example", "index.example", "tunnel.example")
    upstream.route("/a.whl", BODY)
    upstream.route("/simple/a/", b"page", etag='"1"', cache_control="max-age=0")
    (tmp_path / "drydock.toml").write_text(POLICY)
    ca = upstream.write_ca(tmp_path / "internet.pem")
    return Place(tmp_path, upstream, (*(f"--resolve={entry}" for entry in upstream.resolve), f"--upstream-ca={ca}"))


def fetch(*urls: str) -> list[str]:
    """A client that knows nothing but its environment."""
    wanted = [part for url in urls for part in ("--output", "/dev/null", url)]
    return ["curl", "--silent", "--show-error", "--fail", *wanted]


def test_a_rehearsal_lists_misses_locks_them_and_then_finds_none(place: Place) -> None:
    """The second run needs no network, and a third one, offline, proves it: 0 upstream connections, N hits, 0 misses."""
    first = place.own("--add", "--certificate", "c.json", command=fetch(ASSET, PAGE))
    assert first.returncode == 3, first.stderr
    misses = [line for line in first.stdout.splitlines() if line.startswith("miss: ")]
    assert [line.partition(": 200, asked by ")[0] for line in misses] == [f"miss: GET {ASSET}", f"miss: GET {PAGE}"]
    assert all("127.0.0.1, curl/" in line for line in misses)
    assert first.stdout.splitlines()[-1].startswith("2 upstream connections, 0 hits, 2 misses; ")
    lock = read_locks([place.folder / "assets.lock"])
    assert ([asset.url for asset in lock.assets], [page.url for page in lock.pages]) == ([ASSET], [PAGE])
    assert lock.assets[0].size == len(BODY)
    certificate = json.loads((place.folder / "c.json").read_text())
    assert (certificate["mode"], certificate["misses"], certificate["exit_status"]) == ("rehearsal", 2, 0)
    assert certificate["lock"] == str(lock.digest_of_lock)
    assert certificate["bytes"]["from_upstream"] == len(BODY) + 4
    assert certificate["versions"].keys() >= {"drydock", "mitmproxy"}

    second = place.own(command=fetch(ASSET, PAGE))
    assert (second.returncode, second.stdout.splitlines()[0][:43]) == (0, "0 upstream connections, 2 hits, 0 misses; 1")
    place.upstream.stop()
    offline = place.own("--mode", "offline", "--certificate", "c.json", command=fetch(ASSET, PAGE))
    assert offline.returncode == 0, offline.stderr
    certificate = json.loads((place.folder / "c.json").read_text())
    assert [certificate[name] for name in ("mode", "upstream_connections", "hits", "misses")] == ["offline", 0, 2, 0]


def test_offline_a_miss_fails_the_run_within_a_second_and_is_listed(place: Place) -> None:
    """The client gets its 504, the certificate the URL; nothing was tried."""
    started = time.monotonic()
    done = place.own("--mode", "offline", "--certificate", "c.json", command=["sh", "-c", f"curl -s {ASSET}; true"])
    assert time.monotonic() - started < 20
    assert done.returncode == 3
    assert f"miss: GET {ASSET}: 504" in done.stdout
    assert f"drydock warm --url {ASSET}" in done.stdout, "the client was told the command"
    certificate = json.loads((place.folder / "c.json").read_text())
    assert (certificate["upstream_connections"], certificate["misses"]) == (0, 1)
    assert place.upstream.connections == 0


def test_the_status_is_that_of_the_command(place: Place) -> None:
    """A command that fails fails the rehearsal, with or without misses."""
    assert place.own(command=["sh", "-c", "exit 7"]).returncode == 7
    assert place.own(command=["sh", "-c", f"curl -s {ASSET} >/dev/null; exit 9"]).returncode == 9


@pytest.mark.parametrize(("answer", "added"), [(b"y\n", True), (b"n\n", False), (b"\n", False)])
def test_a_person_at_a_terminal_is_asked_before_the_lock_changes(place: Place, answer: bytes, added: bool) -> None:
    """Anything but yes leaves it as it is."""
    ours, theirs = pty.openpty()
    command = [drydock(), "rehearse", *place.outside, "--", *fetch(ASSET)]
    environment = plain_environment(place.folder) | {"TERM": "xterm"}
    with subprocess.Popen(command, cwd=place.folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        deadline = time.monotonic() + 30
        while b"[y/N]" not in shown and time.monotonic() < deadline:
            if select.select([ours], [], [], 1)[0]:
                shown += os.read(ours, 4096)
        assert b"Add 1 entries for what was missed to assets.lock?" in shown
        os.write(ours, answer)
        try:
            while os.read(ours, 4096):
                pass
        except OSError:  # a terminal whose other side is gone
            pass
    os.close(ours)
    assert process.returncode == 3
    assert (place.folder / "assets.lock").exists() is added


def test_without_a_terminal_nobody_is_asked_and_nothing_changes(place: Place) -> None:
    done = place.own(command=fetch(ASSET))
    assert "1 entries can be added to assets.lock with --add" in done.stderr
    assert not (place.folder / "assets.lock").exists()


def test_entries_that_are_locked_stay_as_they_are(place: Place) -> None:
    """Adding adds: what somebody decided earlier, with its reason, is not written anew."""
    place.own("--add", command=fetch(ASSET))
    path = place.folder / "assets.lock"
    path.write_text(path.read_text().replace("asked for in a rehearsal", "because we say so"))
    place.upstream.route("/b.whl", b"b" * 100)
    assert place.own("--add", command=fetch("https://assets.example/b.whl")).returncode == 3
    assert [(asset.url, asset.why) for asset in read_locks([path]).assets] == [
        (ASSET, "because we say so"),
        ("https://assets.example/b.whl", "asked for in a rehearsal"),
    ]


def test_a_rehearsal_follows_the_lock(place: Place) -> None:
    """Other bytes than it names are refused to the command, as in every later run."""
    place.own("--add", command=fetch(ASSET))
    shutil.rmtree(place.folder / "store")
    place.upstream.route("/a.whl", BODY + b"x")
    done = place.own(command=fetch(ASSET))
    assert done.returncode == 22, "curl was given an error"
    assert f"miss: GET {ASSET}: 502" in done.stdout


def test_ctrl_c_ends_the_command_and_the_certificate_is_written_still(place: Place) -> None:
    """What it asked for until then is told; the status is a shell's for SIGINT."""
    command = [drydock(), "rehearse", *place.outside, "--certificate", "c.json", "--"]
    command += ["sh", "-c", f"curl -s -o /dev/null {ASSET}; echo asked; exec sleep 60"]
    with subprocess.Popen(
        command,
        cwd=place.folder,
        env=plain_environment(place.folder),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asked\n"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        shown, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"miss: GET {ASSET}" in shown
    assert json.loads((place.folder / "c.json").read_text())["exit_status"] == 130


# ---- at a proxy that runs already -----------------------------------------------------------------------------------------


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("0123456789abcdef0123456789abcdef\n")
    return path


@pytest.fixture
def running(start_proxy: Callable[..., RunningProxy], place: Place, token: Path) -> RunningProxy:
    """An online proxy with a token."""
    options = ["--token-file", str(token)]
    return start_proxy(POLICY, resolve=place.upstream.resolve, upstream_ca=place.folder / "internet.pem", options=options)


def through(proxy: RunningProxy, *urls: str) -> list[str]:
    return [*fetch(*urls), "--proxy", proxy.proxy_url, "--cacert", str(proxy.ca)]


def test_a_rehearsal_at_a_running_proxy_counts_what_came_meanwhile(place: Place, running: RunningProxy, token: Path) -> None:
    """Earlier requests do not count; entries come from the proxy, so its store need not be at hand."""
    ask(running, Way.CONNECT, ASSET)
    at = ["--proxy", running.status_url, "--token-file", str(token), "--certificate", "c.json"]
    first = place.run(*at, "--add", "--", *through(running, ASSET, PAGE))
    assert first.returncode == 3, first.stderr
    assert f"miss: GET {PAGE}" in first.stdout
    assert ASSET not in first.stdout.partition("upstream connections")[0]
    assert "1 hits, 1 misses" in first.stdout
    assert [page.url for page in read_locks([place.folder / "assets.lock"]).pages] == [PAGE]
    second = place.run(*at, "--", *through(running, ASSET, PAGE))
    assert second.returncode == 0
    assert "0 upstream connections, 2 hits, 0 misses" in second.stdout


def test_in_a_rehearsal_a_stale_page_answers_as_it_would_offline(place: Place, running: RunningProxy, token: Path) -> None:
    """A newer page would lead a resolution to files that nobody has; afterwards pages are validated again."""
    ask(running, Way.CONNECT, PAGE)
    at = ["--proxy", running.status_url, "--token-file", str(token)]
    assert place.run(*at, "--", *through(running, PAGE)).returncode == 0
    assert place.upstream.count("/simple/a/") == 1
    assert header(ask(running, Way.CONNECT, PAGE), "Cache-Status").startswith("drydock; fwd=stale")
    assert place.upstream.count("/simple/a/") == 2


def test_a_tunnel_is_a_miss(place: Place, running: RunningProxy, token: Path) -> None:
    """Offline it could not be opened; its host and port are listed."""
    ca = str(place.folder / "internet.pem")
    command = ["curl", "-s", "-o", "/dev/null", "--proxy", running.proxy_url, "--cacert", ca, "https://tunnel.example/"]
    done = place.run("--proxy", running.status_url, "--token-file", str(token), "--", *command)
    assert "miss: tunnel tunnel.example:443" in done.stdout
    assert done.returncode == 3


def test_what_the_policy_refuses_is_no_miss(place: Place, running: RunningProxy, token: Path) -> None:
    """It is refused with a network, too: nothing is missing from the store."""
    at = ["--proxy", running.status_url, "--token-file", str(token), "--certificate", "c.json"]
    done = place.run(*at, "--", "sh", "-c", f"curl -s --proxy {running.proxy_url} https://other.example/; true")
    assert done.returncode == 0
    assert json.loads((place.folder / "c.json").read_text())["refused"] == 1


def test_commands_need_the_token_and_reading_does_not(place: Place, running: RunningProxy) -> None:
    """The sentence says so; nothing was begun."""
    refused = place.run("--proxy", running.status_url, "--", "true")
    assert refused.returncode == 1
    assert "The token is wrong or missing" in refused.stderr
    assert place.run("--proxy", running.status_url, "--so-far").returncode == 0


def test_one_rehearsal_at_a_time(place: Place, running: RunningProxy, token: Path) -> None:
    """A second one would be counted into the first; a command that cannot be run ends its own."""
    at = ["--proxy", running.status_url, "--token-file", str(token)]
    inner = [drydock(), "rehearse", *at, "--", "true"]
    nested = place.run(*at, "--", *inner)
    assert nested.returncode == 1
    assert "A rehearsal is under way already" in nested.stderr
    assert "no-such-program cannot be run" in place.run(*at, "--", "no-such-program").stderr
    assert place.run(*at, "--", "true").returncode == 0


def test_so_far_certifies_everything_since_the_start(place: Place, start_proxy: Callable[..., RunningProxy]) -> None:
    """An offline proxy that was asked for what it has not got fails the check."""
    offline = start_proxy(POLICY, mode="offline")
    clean = place.run("--proxy", offline.status_url, "--so-far")
    assert (clean.returncode, clean.stdout.startswith("0 upstream connections, 0 hits, 0 misses; ")) == (0, True)
    ask(offline, Way.SNI, ASSET)
    with pytest.raises(OSError, match="internal error"):
        secure(offline, Way.SNI, "tunnel.example")
    missed = place.run("--proxy", offline.status_url, "--so-far")
    assert missed.returncode == 3
    assert f"miss: GET {ASSET}: 504" in missed.stdout
    assert "miss: tunnel tunnel.example:443: 504" in missed.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "There is nothing to rehearse"),
        (("--so-far",), "There is nothing to rehearse"),
        (("--proxy", "http://127.0.0.1:1", "--so-far", "--", "true"), "There is nothing to rehearse"),
        (("--proxy", "http://127.0.0.1:1", "--so-far"), "does not answer"),
        (("--proxy", "127.0.0.1:1", "--so-far"), "is no address of a status port"),
        (("--", "no-such-program"), "no-such-program cannot be run"),
    ],
)
def test_what_cannot_be_rehearsed_is_one_sentence(place: Place, arguments: tuple[str, ...], said: str) -> None:
    done = place.run(*arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert said in done.stderr


def test_a_status_port_of_something_else_is_one_sentence(place: Place) -> None:
    """Another server answers there: what it says is not taken for a record."""
    place.upstream.route("/rehearsal", b"<html>")
    url = f"http://127.0.0.1:{place.upstream.plain_port}"
    done = place.run("--proxy", url, "--so-far")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
