"""Where a Worker's settings are looked for. That they are read is tried with the real Workers in tests/cloudflare."""

import subprocess
import sys
from pathlib import Path

import worker_declared
from worker_declared import find_settings


def test_settings_lie_at_the_top_or_in_a_package_and_are_made_with_the_kit(tmp_path: Path) -> None:
    for name, text in {
        "settings.py": "import worker_kit",
        "bot/settings.py": "from worker_kit.settings import WorkerSettings",
        "other/settings.py": "PORT = 1",
        "bot/deeper/settings.py": "import worker_kit",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert find_settings(tmp_path) == ["bot.settings", "settings"]


def test_a_worker_without_the_kit_declares_nothing(tmp_path: Path) -> None:
    """It runs with an interpreter that has no kit."""
    (tmp_path / "entry.py").write_text("raise SystemExit('never imported')")
    probe = [sys.executable, "-I", "-S", worker_declared.__file__, str(tmp_path)]
    done = subprocess.run(probe, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
