"""The closed place: a program in it reaches nothing, everything it asks for is written down, and nothing of it stays."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import drydock_cache
import pytest
from drydock_cache.errors import DrydockError
from drydock_cache.sources.asking import hold_interview
from drydock_cache.sources.question import Question, Transcript

_SOURCE = Path(__file__).parents[2] / "src"
_FETCH = """
import tarfile, urllib.error, urllib.request
for url in ("https://one.example.com/a/x.tar.gz?v=1", "https://two.example.org/pyodide_9.capnp.bin", "https://one.example.com/other"):
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            body = response.read()
    except urllib.error.HTTPError as error:
        body = error.code
    print(url, body if isinstance(body, int) else len(body))
"""


# Takes its time, as a runtime does, and asks for a bundle that is named after its date.
_RUNTIME = """
import re, sys, time, urllib.request
from pathlib import Path
if "--version" in sys.argv:
    sys.exit(print("workerd 2026-01-01"))
time.sleep(0.2)
date = re.search(r'compatibilityDate = "([^"]+)"', Path("config.capnp").read_text())[1]
urllib.request.urlopen(f"https://one.example.com/pyodide_{date}.capnp.bin", timeout=5).read()
sys.exit(1)
"""


def _python(code: str, seconds: float = 10, *arguments: str) -> Question:
    return Question((sys.executable, "program.py", *arguments), {"program.py": code}, seconds)


def _gone(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # the latter when it goes while it is read
        return True
    # A dead process that nobody has waited for yet runs no more.
    return status.rpartition(")")[2].split()[0] == "Z"


def _wait_until(condition: Callable[[], bool], what: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_any_name_is_served_over_tls_that_the_program_trusts_and_its_urls_are_listed_in_order() -> None:
    transcript = hold_interview(_python(_FETCH + "raise SystemExit(3)"))
    assert transcript.urls == (
        "https://one.example.com/a/x.tar.gz?v=1",
        "https://two.example.org/pyodide_9.capnp.bin",
        "https://one.example.com/other",
    ), transcript.said
    assert (transcript.exit_code, transcript.ready) == (3, False)
    # 16 bytes are the empty Cap'n Proto message; what has no known ending is not found.
    assert transcript.said.splitlines()[1:] == [
        "https://two.example.org/pyodide_9.capnp.bin 16",
        "https://one.example.com/other 404",
    ]


def test_what_is_served_for_a_tarball_is_a_valid_archive_of_nothing() -> None:
    code = """
import io, tarfile, urllib.request
body = urllib.request.urlopen("https://example.com/x.tar.gz").read()
print(tarfile.open(fileobj=io.BytesIO(body)).getnames())
"""
    assert hold_interview(_python(code)).said == "[]\n"


def test_a_server_of_this_machine_and_addresses_outside_cannot_be_reached() -> None:
    code = """
import socket, sys
for address, port in (("127.0.0.1", int(sys.argv[1])), ("192.0.2.1", 443)):
    try:
        socket.create_connection((address, port), timeout=5)
        print("reached")
    except OSError as error:
        print(error.strerror)
"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()  # it is there for everybody else
        transcript = hold_interview(_python(code, 10, str(port)))
    assert transcript.said.splitlines() == ["Connection refused", "Network is unreachable"]


def test_the_files_of_this_machine_stay_as_they_were() -> None:
    before = Path("/etc/resolv.conf").read_bytes()
    inside = hold_interview(_python("print(open('/etc/resolv.conf').read())")).said
    assert inside.startswith("nameserver 127.0.0.1\n")
    assert Path("/etc/resolv.conf").read_bytes() == before != inside.encode()


def test_no_variable_of_ours_is_shown_to_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "secret")
    said = hold_interview(_python("import os; print(sorted(set(os.environ) - {'LC_CTYPE'}))")).said
    assert said == "['PATH', 'SSL_CERT_FILE']\n"


def test_a_program_that_never_ends_is_ended_with_what_it_started(tmp_path: Path) -> None:
    code = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""
    started = time.monotonic()
    transcript = hold_interview(_python(code, seconds=1.5))
    assert time.monotonic() - started < 5
    assert (transcript.exit_code, transcript.ready) == (None, False)
    for pid in map(int, transcript.said.split()):
        _wait_until(lambda pid=pid: _gone(pid), f"process {pid} is still there")  # type: ignore[misc]


def test_a_program_that_reports_to_be_ready_is_ended_at_once() -> None:
    code = "import os, sys, time; os.write(int(sys.argv[1]), b'{}'); time.sleep(600)"
    started = time.monotonic()
    transcript = hold_interview(_python(code, 30, "{control}"))
    assert time.monotonic() - started < 10
    assert transcript == Transcript((), "", None, True)


def test_output_without_end_is_cut_and_does_not_stop_the_program() -> None:
    transcript = hold_interview(_python("import sys\nfor n in range(3000): sys.stdout.write('x' * 1000)\nsys.exit(4)"))
    assert (transcript.exit_code, len(transcript.said)) == (4, 64 * 1024)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_one_who_asks_is_ended(ending: signal.Signals, tmp_path: Path) -> None:
    asks = f"""
import sys
from drydock_cache.sources.asking import hold_interview
from drydock_cache.sources.question import Question
code = "import os, time; open({str(tmp_path / "pid")!r}, 'w').write(str(os.getpid())); time.sleep(600)"
hold_interview(Question((sys.executable, "-c", code), {{}}, 60))
"""
    (tmp_path / "tmp").mkdir()
    asker = subprocess.Popen(
        [sys.executable, "-c", asks],
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(Path(drydock_cache.__file__).parents[1])},
        stderr=subprocess.DEVNULL,
    )
    pid_file = tmp_path / "pid"
    _wait_until(lambda: pid_file.exists() and pid_file.read_text() != "", "the program did not start")
    assert [path.name.startswith("drydock-ask-") for path in (tmp_path / "tmp").iterdir()] == [True]
    asker.send_signal(ending)
    asker.wait(10)
    _wait_until(lambda: _gone(int(pid_file.read_text())), "the program is still there")
    _wait_until(lambda: not list((tmp_path / "tmp").iterdir()), "temporary files are still there")


def test_a_program_that_does_not_exist_is_named() -> None:
    with pytest.raises(DrydockError, match=r"No such file or directory: '/nonexistent/workerd'"):
        hold_interview(Question(("/nonexistent/workerd",), {}, 5))


# ---- In a container -----------------------------------------------------------------------------------------------------

_IN_CONTAINER = f"""
import sys
from pathlib import Path
from drydock_cache.errors import DrydockError
from drydock_cache.sources.asking import hold_interview
from drydock_cache.sources.question import Question
before = Path("/etc/resolv.conf").read_bytes()
try:
    print(hold_interview(Question((sys.executable, "program.py"), {{"program.py": {_FETCH!r}}}, 10)).urls)
except DrydockError as error:
    print(error)
print(before == Path("/etc/resolv.conf").read_bytes(), list(Path("/tmp").glob("drydock-*")))
"""


# Two Workers whose runtimes are of two dates, and a program in the runtime's place.
_TWO_DATES = f"""
import json, sys
from pathlib import Path
from drydock_cache.planning import make_plan
workerd = Path("/tmp/workerd")
workerd.write_text("#!" + sys.executable + {_RUNTIME!r})
workerd.chmod(0o755)
workers = [Path("/tmp/a"), Path("/tmp/b"), Path("/tmp/c")]
for worker, date in zip(workers, ("2025-01-01", "2025-02-01", "2025-03-01")):
    worker.mkdir()
    worker.joinpath("wrangler.json").write_text(json.dumps(
        {{"name": worker.name, "main": "x.py", "compatibility_date": date, "compatibility_flags": ["python_workers"]}}))
print(*(asset.url for asset in make_plan(workers, workerd).assets))
"""


@pytest.fixture(scope="session")
def image() -> str:
    """An image with Python and the package's dependencies: the one that the suite itself runs in."""
    name = os.environ.get("DRYDOCK_TEST_IMAGE", "drydock-test")
    try:
        found = subprocess.run(["docker", "image", "inspect", name], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no docker command here")
    if found.returncode != 0:
        pytest.skip(f"docker has no image {name}: {found.stderr.strip()[-200:]}")
    return name


def _in_container(image: str, *options: str, code: str = _IN_CONTAINER) -> str:
    command = ["docker", "run", "--rm", "--entrypoint", "python", "--volume", f"{_SOURCE}:/src:ro"]
    # -B: the container must not try to write byte code beside the sources.
    command += ["--env", "PYTHONPATH=/src", *options, image, "-B", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_root_without_any_capability_can_ask_in_a_container_without_a_network(image: str) -> None:
    options = ("--network", "none", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    urls, state = _in_container(image, *options).splitlines()
    assert urls.count("https://") == 3
    assert state == "True []"


def test_runtimes_of_several_dates_are_asked_one_after_another_there(image: str) -> None:
    """They would share one port and one list of name servers."""
    options = ("--network", "none", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    asked = _in_container(image, *options, code=_TWO_DATES).split()
    assert asked == [f"https://one.example.com/pyodide_2025-0{month}-01.capnp.bin" for month in (1, 2, 3)]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--network", "none", "--user", "1000"), "/etc/resolv.conf of this container cannot be changed: only root may. "),
        (("--network", "none", "--read-only", "--tmpfs", "/tmp"), "cannot be changed: its file system is read-only. "),
        (
            ("--network", "bridge"),
            "namespaces are not allowed ([Errno 1] Operation not permitted), and there are network interfaces: eth0. ",
        ),
    ],
)
def test_where_no_place_can_be_closed_off_the_error_says_why_and_what_to_run(
    image: str, options: tuple[str, ...], reason: str
) -> None:
    sentence, state = _in_container(image, "--cap-drop", "ALL", *options).splitlines()
    assert sentence.startswith("The runtime cannot be asked in a closed place: ")
    assert reason in sentence
    assert "docker compose run --rm plan" in sentence
    assert state == "True []"
