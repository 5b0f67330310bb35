"""What is said of an upload."""

from worker_checks import Declared, read_configuration
from worker_form import Form, Module
from worker_report import describe

RECORD = b"fast/api.py,sha256=x,1\nfast_api-1.2.dist-info/RECORD,,\n"
FORM = Form(
    {
        "main_module": "main.py",
        "compatibility_date": "2026-11-01",
        "compatibility_flags": ["python_workers"],
        "bindings": [
            {"name": "KV", "type": "kv_namespace", "namespace_id": "0f"},
            {"name": "BOT", "type": "service", "service": "bot"},
            {"name": "API_KEY", "type": "secret_text", "text": "hunter2"},
        ],
    },
    (
        Module("main.py", b"x" * 512),
        Module("python_modules/fast/api.py", b"x" * 1024),
        Module("python_modules/fast_api-1.2.dist-info/RECORD", RECORD),
        Module("python_modules/loose.py", b"x"),
    ),
)

SAID = {"API_KEY": "comes along", "OTHER": "required", "TOKEN": "optional"}


def test_modules_are_summed_up_by_the_distribution_that_lists_them() -> None:
    lines = describe(FORM, read_configuration({"name": "w"}), Declared(), "1 KiB", ())
    packages = [line.split() for line in lines if line.endswith(" KiB") and line.startswith("    ")]
    assert packages == [
        ["the", "Worker's", "own", "1", "0.5", "KiB"],
        ["fast_api", "1.2", "2", "1.1", "KiB"],
        ["of", "no", "distribution", "1", "0.0", "KiB"],
    ]


def test_secrets_are_said_by_name_alone() -> None:
    declared = Declared(("API_KEY", "OTHER"), ("TOKEN",))
    text = "\n".join(describe(FORM, read_configuration({"name": "w"}), declared, "1 KiB", ("API_KEY",)))
    assert "hunter2" not in text
    assert text.splitlines()[-3:] == [f"    {name:<24} {how}" for name, how in SAID.items()]


def test_what_is_not_there_is_said_too() -> None:
    bare = Form({"main_module": "main.py", "compatibility_date": "2026-11-01"}, (Module("main.py", b""),))
    text = "\n".join(describe(bare, read_configuration({"name": "w"}), Declared(), "0 KiB", ()))
    for line in ("bindings       none", "crons (UTC)    none", "secrets        none declared"):
        assert line in text
