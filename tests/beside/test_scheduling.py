"""Real runs of pytest in two processes, in a small tree with the suite's folders."""

import pytest

from tests.compose import REPOSITORY

pytest_plugins = ("pytester",)

# What each test of the trees writes down: that it ran, and in which process. The order is that of the lines.
NOTES = """
import os, time
from pathlib import Path
import pytest

NOTES = Path(__file__).parents[{up}] / "notes"

def note(text):
    with NOTES.open("a") as file:
        file.write(f"{{os.getpid()}} {{text}}\\n")

def wait_for(text):
    until = time.monotonic() + 30
    while not any(line.split()[1] == text for line in NOTES.read_text().splitlines()):
        assert time.monotonic() < until, text
        time.sleep(0.01)
"""
CONFTEST = (
    NOTES.format(up=0)
    + """
@pytest.fixture(scope="session", autouse=True)
def session():
    yield
    time.sleep(0.2)
    note("end-of-session")
"""
)


@pytest.fixture
def tree(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A tree of tests: add modules below it, and run them."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # the others take a second to import
    pytester.makeini("[pytest]\naddopts = --import-mode=importlib -p xdist -p no:cacheprovider\n")
    pytester.makeconftest(CONFTEST)
    (pytester.path / "notes").touch()
    return pytester


def add(tree: pytest.Pytester, file: str, tests: str) -> None:
    """Write a module of tests."""
    path = tree.path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(NOTES.format(up=file.count("/")) + tests)


def run(tree: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run the tree in two processes."""
    return tree.runpytest_subprocess(
        "--numprocesses", "2", "--max-worker-restart", "0", "-p", "tests.beside.scheduling", *options
    )


def noted(tree: pytest.Pytester) -> list[tuple[str, str]]:
    """Return what was noted, in order: process and text."""
    lines = [line.split() for line in (tree.path / "notes").read_text().splitlines()]
    return [(process, text) for process, text in lines]


def test_containers_run_in_order_beside_patient_tests_and_both_before_what_is_alone(tree: pytest.Pytester) -> None:
    """Each of the two waits for the other; the first process has ended, fixtures and all, before anything alone begins."""
    add(tree, "tests/e2e/test_a.py", 'def test_1(): note("a1"); wait_for("b1")\ndef test_2(): note("a2"); wait_for("b2")\n')
    add(tree, "tests/e2e/test_b.py", 'def test_1(): note("a3")\n')
    add(tree, "tests/soak/test_c.py", 'def test_1(): note("c1")\ndef test_2(): note("c2")\n')
    add(
        tree,
        "workers/w/tests/test_d.py",
        'def test_1(): wait_for("a1"); note("b1")\ndef test_2(): wait_for("a2"); note("b2")\n',
    )
    result = run(tree)
    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines(["*3 tests with containers beside 2 that are patient, then 2 alone", "*alone, after 0 minutes"])
    found = noted(tree)
    assert [text for _, text in found if text[0] == "a"] == ["a1", "a2", "a3"]
    assert [text for _, text in found if text[0] == "b"] == ["b1", "b2"]
    assert [text for _, text in found][-3:] == ["c1", "c2", "end-of-session"]
    process = {text: process for process, text in found}
    assert process["a1"] == process["a2"] == process["a3"] != process["b1"] == process["b2"]
    first, last = [process for process, text in found if text == "end-of-session"]
    assert first != last == process["c1"] == process["c2"]
    assert found.index((first, "end-of-session")) < found.index((last, "c1"))


def test_whoever_has_finished_with_containers_helps_with_patient_tests(tree: pytest.Pytester) -> None:
    """By whole modules: the second process is still in its first one, and waits for what comes behind it."""
    add(tree, "tests/e2e/test_a.py", 'def test_1(): note("a1")\ndef test_2(): pass\n')
    add(tree, "workers/w/tests/test_b.py", 'def test_1(): wait_for("c2")\ndef test_2(): note("b2")\n')
    add(tree, "workers/w/tests/test_c.py", 'def test_1(): note("c1")\ndef test_2(): note("c2")\n')
    run(tree).assert_outcomes(passed=6)
    process = {text: process for process, text in noted(tree)}
    assert process["a1"] == process["c1"] == process["c2"] != process["b2"]


def test_a_failure_in_any_part_fails_the_run_and_the_others_go_on(tree: pytest.Pytester) -> None:
    """One summary, and one exit status."""
    for file in ("tests/e2e/test_a.py", "workers/w/tests/test_b.py", "tests/soak/test_c.py"):
        add(tree, file, "def test_1(): assert not 1\ndef test_2(): pass\n")
    result = run(tree)
    result.assert_outcomes(passed=3, failed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_worker_that_dies_fails_the_run(tree: pytest.Pytester) -> None:
    """The test that it was in is named."""
    add(tree, "tests/e2e/test_a.py", 'def test_1(): wait_for("b1"); os._exit(3)\ndef test_2(): pass\n')
    add(tree, "workers/w/tests/test_b.py", 'def test_1(): note("b1")\n')
    add(tree, "tests/soak/test_c.py", "def test_1(): pass\n")
    result = run(tree)
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*crashed while running *tests/e2e/test_a.py::test_1*"])


def test_what_differs_between_the_processes_is_said(tree: pytest.Pytester) -> None:
    """Tests are told by their place in the collection, which must be the same in both."""
    add(tree, "tests/e2e/test_a.py", '@pytest.mark.parametrize("n", [os.getpid()])\ndef test_1(n): pass\n')
    result = run(tree)
    assert result.ret != pytest.ExitCode.OK
    result.stderr.fnmatch_lines(["*Different tests were collected between gw*"])


def test_another_number_of_processes_is_refused(tree: pytest.Pytester) -> None:
    """There are two parts that run beside each other."""
    add(tree, "tests/e2e/test_a.py", "def test_1(): pass\n")
    result = run(tree, "--numprocesses", "3")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--numprocesses 2, not 3"])
