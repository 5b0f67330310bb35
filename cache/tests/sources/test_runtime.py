"""Asking the runtime: real workerds say which bundle they want, which digest they insist on, and what else they fetch."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from drydock_cache.digest import Digest
from drydock_cache.errors import DrydockError
from drydock_cache.sources.question import Transcript
from drydock_cache.sources.runtime import RuntimeNeeds, ask_runtime, read_transcript, runtime_date, runtime_name
from drydock_cache.sources.wrangler_config import RuntimeChoice

NEWEST, OLD, FIRST, LAST_WITH_BUNDLE_INSIDE, SILENT = (
    "1.20261117.1",
    "1.20260124.0",
    "1.20241127.0",
    "1.20241112.0",
    "1.20250508.0",
)
_NEW_HOST = "https://pyodide-capnp-bin.edgeworker.net"
_STDLIB = ("hashlib", "lzma", "pydecimal", "pydoc_data", "sqlite3", "ssl", "test")


def _choice(date: str, *flags: str) -> RuntimeChoice:
    return RuntimeChoice(date, ("python_workers", *flags))


@pytest.mark.online
@pytest.mark.parametrize(
    ("date", "flags", "bundle", "digest"),
    [
        ("2024-10-01", (), "0.26.0a2_2024-03-01_91", "sha256-Nyc8wolZnX/EzS6zUuUNM8cP1fAuOR0C4F0pV+pK/IM="),
        ("2025-09-28", (), "0.26.0a2_2024-03-01_91", "sha256-Nyc8wolZnX/EzS6zUuUNM8cP1fAuOR0C4F0pV+pK/IM="),
        ("2025-09-29", (), "0.28.2_2025-01-16_22", "sha256-rQ2vqR3Q6Y+EXM1imNkrlp5swgi5ZIFwtZb6t7vpyNo="),
        (
            "2024-10-01",
            ("python_workers_20250116",),
            "0.28.2_2025-01-16_22",
            "sha256-rQ2vqR3Q6Y+EXM1imNkrlp5swgi5ZIFwtZb6t7vpyNo=",
        ),
        ("2026-09-08", (), "314.0.6_2026-08-17_11", "sha256-NItCLHMj/EjOzDcedzbUDicMYO9n9q0loNUX4scRvbE="),
        (
            "2024-10-01",
            ("python_workers_20260610",),
            "314.0.4_2026-06-10_22",
            "sha256-0byIBQ0JSAbJLcF6WywE7j+rTo2OuEWXqDpT1sNgvs8=",
        ),
    ],
)
def test_the_newest_workerd_names_its_bundle_and_the_digest_it_insists_on(
    workerd: Callable[[str], Path], date: str, flags: tuple[str, ...], bundle: str, digest: str
) -> None:
    assert ask_runtime(workerd(NEWEST), _choice(date, *flags)) == RuntimeNeeds(
        f"{_NEW_HOST}/pyodide_{bundle}.capnp.bin", Digest.parse(digest), ()
    )


@pytest.mark.online
def test_a_workerd_that_checks_nothing_is_asked_for_its_standard_library_too(workerd: Callable[[str], Path]) -> None:
    place = "https://storage.googleapis.com/cloudflare-edgeworker-python-packages/python-package-bucket/20240829.4"
    assert ask_runtime(workerd(OLD), _choice("2025-05-01")) == RuntimeNeeds(
        f"{_NEW_HOST}/pyodide_0.26.0a2_2024-03-01_77.capnp.bin",
        None,
        tuple(f"{place}/{name}-1.0.0.tar.gz" for name in _STDLIB),
    )


@pytest.mark.online
def test_the_standard_library_differs_with_the_date(workerd: Callable[[str], Path]) -> None:
    needs = ask_runtime(workerd(OLD), _choice("2026-01-20"))
    assert needs.bundle_url == f"{_NEW_HOST}/pyodide_0.28.2_2025-01-16_8.capnp.bin"
    assert [url.rpartition("/")[2].partition("-")[0] for url in needs.stdlib_urls] == sorted(
        ["hashlib", "libopenssl", "lzma", "pydecimal", "pydoc_data", "sqlite3", "ssl"]
    )
    assert all("/python-package-bucket/20250808/" in url for url in needs.stdlib_urls)


@pytest.mark.online
def test_the_first_workerd_that_downloads_tells_the_full_url_too(workerd: Callable[[str], Path]) -> None:
    url = "https://pyodide.runtime-playground.workers.dev/pyodide-capnp-bin/pyodide_0.26.0a2_2024-03-01_3.capnp.bin"
    assert ask_runtime(workerd(FIRST), _choice("2024-10-01")) == RuntimeNeeds(url, None, ())


@pytest.mark.online
def test_a_workerd_that_carries_its_bundle_needs_nothing(workerd: Callable[[str], Path]) -> None:
    assert ask_runtime(workerd(LAST_WITH_BUNDLE_INSIDE), _choice("2024-10-01")) == RuntimeNeeds(None, None, ())


@pytest.mark.online
def test_a_workerd_that_does_not_come_to_its_standard_library_has_it_read_from_its_binary(
    workerd: Callable[[str], Path],
) -> None:
    needs = ask_runtime(workerd(SILENT), _choice("2025-05-01"))
    place = "https://pyodide-packages.runtime-playground.workers.dev/20240829.4"
    assert needs.bundle_url == f"{_NEW_HOST}/pyodide_0.26.0a2_2024-03-01_58.capnp.bin"
    assert needs.stdlib_urls == tuple(f"{place}/{name}-1.0.0.tar.gz" for name in _STDLIB[:-1])


@pytest.mark.online
def test_a_date_after_the_runtimes_own_is_lowered_as_wrangler_does_and_said(workerd: Callable[[str], Path]) -> None:
    needs = ask_runtime(workerd(FIRST), _choice("2026-10-01"))
    assert needs.bundle_url is not None
    assert needs.notes == (f"{workerd(FIRST)} supports compatibility dates up to 2024-11-27; 2026-10-01 is run as that.",)


@pytest.mark.online
def test_a_flag_that_the_runtime_does_not_know_is_its_own_sentence(workerd: Callable[[str], Path]) -> None:
    with pytest.raises(DrydockError) as refused:
        ask_runtime(workerd(OLD), _choice("2026-01-20", 'python"_314'))
    assert refused.value.message == (
        f"{workerd(OLD)} (2026-01-20) asked for no Pyodide bundle and ended with 1: "
        'service main: No such compatibility flag: python"_314'
    )


@pytest.mark.online
def test_a_question_takes_no_longer_than_a_second_and_leaves_no_file(
    workerd: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = workerd(NEWEST)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    times = []
    for _ in range(3):
        started = time.monotonic()
        ask_runtime(program, _choice("2026-10-01"))
        times.append(time.monotonic() - started)
    # The best of three: this machine may be busy with other tests.
    assert min(times) < 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.online
def test_the_digest_that_it_insists_on_is_the_one_it_compares_with(workerd: Callable[[str], Path], tmp_path: Path) -> None:
    """A file with other bytes in the disk cache is refused with the same expectation: the digest is no guess of ours."""
    needs = ask_runtime(workerd(NEWEST), _choice("2026-10-01"))
    assert needs.bundle_url is not None
    assert needs.bundle_digest is not None
    (tmp_path / needs.bundle_url.rpartition("/")[2]).write_bytes(b"other bytes")
    (tmp_path / "w.py").write_text("")
    (tmp_path / "c.capnp").write_text(
        'using Workerd = import "/workerd/workerd.capnp"; const config :Workerd.Config = (services = [(name = "main", worker = ('
        'modules = [(name = "w.py", pythonModule = embed "w.py")], compatibilityDate = "2026-10-01", '
        'compatibilityFlags = ["python_workers"]))]);'
    )
    command = [str(workerd(NEWEST)), "serve", "--experimental", "c.capnp", f"--pyodide-bundle-disk-cache-dir={tmp_path}"]
    refusal = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)
    assert f"expectedIntegrity = {needs.bundle_digest.sri}" in refusal.stderr
    assert f"actualIntegrity = {Digest.of(b'other bytes').sri}" in refusal.stderr


def _script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("manifest", "name"),
    [
        ('{"name": "@cloudflare/workerd-linux-64", "version": "1.20261117.1"}', "workerd 1.20261117.1"),
        ('{"name": "something-else", "version": "3.0.0"}', "workerd of 2026-11-17"),
        ("{", "workerd of 2026-11-17"),
        ("[]", "workerd of 2026-11-17"),
        ("", "workerd of 2026-11-17"),
    ],
)
def test_a_runtime_is_named_by_its_npm_package_and_else_by_the_date_that_it_knows(
    tmp_path: Path, manifest: str, name: str
) -> None:
    (tmp_path / "bin").mkdir()
    program = _script(tmp_path / "bin/workerd", "echo workerd 2026-11-17")
    (tmp_path / "package.json").write_text(manifest)
    assert runtime_name(program) == name


def test_a_program_that_is_no_workerd_is_refused_with_what_it_said(tmp_path: Path) -> None:
    program = _script(tmp_path / "workerd", "echo hello")
    with pytest.raises(DrydockError) as refused:
        runtime_date(program)
    assert refused.value.message == f"{program} --version: expected \"workerd YYYY-MM-DD\", found 'hello'."


def test_a_missing_program_is_named_with_what_brings_it(tmp_path: Path) -> None:
    with pytest.raises(DrydockError) as refused:
        runtime_date(tmp_path / "workerd")
    assert refused.value.message.startswith(f"{tmp_path}/workerd cannot be run: ")
    assert refused.value.remedy == "Install wrangler, which brings it: npm ci"


def test_a_runtime_that_hangs_is_given_up_after_the_time_limit(tmp_path: Path) -> None:
    program = _script(
        tmp_path / "workerd", 'test "$1" = --version && echo "workerd 2026-11-17" || { echo waiting; sleep 600; }'
    )
    with pytest.raises(DrydockError, match=r"asked for no Pyodide bundle and was silent for 1 s: waiting$"):
        ask_runtime(program, _choice("2026-10-01"), seconds=1)


_BUNDLE = "https://h.example.com/pyodide_9.capnp.bin"
_REFUSAL = (
    "failed: integrity; expectedIntegrity = sha256-rQ2vqR3Q6Y+EXM1imNkrlp5swgi5ZIFwtZb6t7vpyNo=; actualIntegrity = sha256-x="
)


@pytest.mark.parametrize(
    ("transcript", "needs"),
    [
        (
            Transcript((_BUNDLE,), _REFUSAL, 1, False),
            RuntimeNeeds(_BUNDLE, Digest.parse("sha256-rQ2vqR3Q6Y+EXM1imNkrlp5swgi5ZIFwtZb6t7vpyNo="), ()),
        ),
        (Transcript((_BUNDLE,), "crash", 1, False), RuntimeNeeds(_BUNDLE, None, ())),
        (
            Transcript((_BUNDLE, "https://h/b.tar.gz", "https://h/a.tar.gz", "https://h/b.tar.gz"), "", 1, False),
            RuntimeNeeds(_BUNDLE, None, ("https://h/a.tar.gz", "https://h/b.tar.gz")),
        ),
        (Transcript((_BUNDLE,), "", None, True), RuntimeNeeds(_BUNDLE, None, ())),
        (
            Transcript((_BUNDLE,), "", None, False),
            RuntimeNeeds(
                _BUNDLE, None, (), ("W did not end within 3 s; it may need more than it asked for until then.",), whole=False
            ),
        ),
        (Transcript((_BUNDLE,), "", -signal.SIGKILL, False), RuntimeNeeds(_BUNDLE, None, (), whole=False)),
        (Transcript((), "", None, True), RuntimeNeeds(None, None, ())),
    ],
)
def test_conclusions_from_a_transcript(transcript: Transcript, needs: RuntimeNeeds) -> None:
    assert read_transcript(transcript, "W", 3) == needs


@pytest.mark.parametrize(
    ("transcript", "sentence"),
    [
        (
            Transcript((), "first\nlast words\nstack: a b\n\n", 7, False),
            "W asked for no Pyodide bundle and ended with 7: last words",
        ),
        (Transcript((), "", 0, False), "W asked for no Pyodide bundle and ended with 0: it printed nothing."),
        (
            Transcript(("https://h/new-name",), "x", 1, False),
            "W asked for no Pyodide bundle (but for https://h/new-name) and ended with 1: x",
        ),
    ],
)
def test_a_runtime_that_asks_for_no_bundle_is_reported_with_what_it_said(transcript: Transcript, sentence: str) -> None:
    with pytest.raises(DrydockError) as reported:
        read_transcript(transcript, "W", 3)
    assert reported.value.message == sentence
