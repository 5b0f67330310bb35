"""The command prints findings, says clearly what it could not check, and ends with a telling status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from worker_kit.check import main
from worker_kit.check.rules import RULES

LOCK = "import asyncio\n\nlock = asyncio.Lock()\n"


@pytest.fixture
def worker(tmp_path: Path) -> Path:
    """A Worker's folder with one finding in its sources, and more where the checker must not look."""
    for folder in ("src", "tests", "python_modules/vendored", ".venv"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "limits.py").write_text(LOCK)
    (tmp_path / "src" / "test_limits.py").write_text(LOCK)
    return tmp_path


def test_a_finding_is_one_line_with_place_code_sentence_and_mend(worker: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(worker / "src")]) == 1
    rule = next(rule for rule in RULES if rule.code == "WK102")
    assert capsys.readouterr().out == f"{worker}/src/limits.py:3:8 WK102 {rule.sentence} ({rule.mend})\n"


def test_tests_vendored_packages_and_hidden_folders_are_left_out_of_a_folder(
    worker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(worker)]) == 1
    assert capsys.readouterr().out.count("WK102") == 1


def test_a_file_named_is_checked_wherever_it_lies_and_once(worker: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = str(worker / "tests" / "limits.py")
    assert main(["check", named, named]) == 1
    assert capsys.readouterr().out.count("WK102") == 1


def test_clean_sources_print_nothing_and_end_with_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    assert main(["check", str(tmp_path)]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_dependency_declared_in_another_file_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dependency = "from fastapi import Request\n\n\ndef env(request: Request):\n    return request.scope['env']\n"
    (tmp_path / "dependencies.py").write_text(dependency)
    assert main(["check", str(tmp_path)]) == 0
    (tmp_path / "routes.py").write_text("from fastapi import Depends\nfrom dependencies import env\n\nFOUND = Depends(env)\n")
    assert main(["check", str(tmp_path)]) == 1
    assert "dependencies.py:4:1 WK113" in capsys.readouterr().out


def test_a_module_that_is_imported_inside_functions_only_may_need_the_runtime(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "crypto.py").write_text("import js\n")
    (tmp_path / "app.py").write_text("def verify():\n    from package.crypto import check\n    return check()\n")
    assert main(["check", str(tmp_path)]) == 0
    (tmp_path / "other.py").write_text("from package import crypto\n")
    assert main(["check", str(tmp_path)]) == 1
    assert "crypto.py:1:1 WK118" in capsys.readouterr().out


def test_list_prints_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--list"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[0] for line in printed] == [rule.code for rule in RULES]
    assert printed[0].endswith(f"{RULES[0].sentence} ({RULES[0].mend})")


def test_explain_prints_a_rule_with_its_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--explain", "wk110"]) == 0
    printed = capsys.readouterr().out
    rule = next(rule for rule in RULES if rule.code == "WK110")
    assert printed.startswith(f"WK110 {rule.sentence}.\nMend: {rule.mend}.\n")
    assert all(example in printed for example in rule.bad + rule.good)


def test_explain_of_an_unknown_rule_names_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--explain", "WK999"]) == 2
    assert capsys.readouterr().err == "worker-kit: WK999: there is no such rule; worker-kit check --list prints them all\n"


def test_no_path_is_refused_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["check"])
    assert stopped.value.code == 2
    assert "for example: worker-kit check src/" in capsys.readouterr().err


def test_a_missing_path_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "nowhere")]) == 2
    assert f"{tmp_path}/nowhere: there is no such file or folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"def broken(:\n", "bad.py:1:12 is no Python"),
        (b"x = '\x00'\n", "is no Python"),
        (b"x = '\xff'\n", "expected text in UTF-8 or its declared encoding"),
        (b"# coding: no-such\n", "expected text in UTF-8 or its declared encoding"),
    ],
)
def test_a_file_that_is_no_python_is_named_and_the_others_are_still_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, sentence: str
) -> None:
    (tmp_path / "bad.py").write_bytes(content)
    (tmp_path / "good.py").write_text(LOCK)
    assert main(["check", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert "good.py:3:8 WK102" in printed.out


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder.py").mkdir()
    assert main(["check", str(tmp_path)]) == 2
    assert f"{tmp_path}/folder.py: cannot be read: Is a directory" in capsys.readouterr().err


def test_the_installed_module_ends_the_process_with_the_status(worker: Path) -> None:
    """The status reaches the shell, where `make lint` reads it."""
    run = [
        sys.executable,
        "-c",
        "import sys; from worker_kit.check.cli import main; sys.exit(main())",
        "check",
        str(worker / "src"),
    ]
    ended = subprocess.run(run, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "limits.py:3:8 WK102" in ended.stdout
