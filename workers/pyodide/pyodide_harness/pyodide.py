"""Run Node with Pyodide: serve a Worker folder, run cases, measure. Each process ends with its block."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyodide_harness.installation import HARNESS, Installation

KIT = HARNESS.parent / "kit" / "src" / "worker_kit"
DEADLINE = 300
"""Seconds for one start, with everything else on the machine's processors."""
QUIET = {"CLOUDFLARE_CF_FETCH_ENABLED": "false", "WRANGLER_SEND_METRICS": "false", "WRANGLER_HIDE_BANNER": "true"}
"""What keeps wrangler from asking the network."""


@dataclass(frozen=True)
class Served:
    """A Worker that answers at `url`; `figures` is what its start cost (milliseconds, bytes), `log` what it wrote."""

    url: str
    figures: Mapping[str, Any]
    log: Path


@dataclass(frozen=True)
class Pyodide:
    """The harness, with its packages in place."""

    node: str
    folder: Path
    modules: Path

    @contextmanager
    def serve(
        self,
        worker: Path,
        *,
        log: Path,
        variables: Mapping[str, str] | None = None,
        kv: Mapping[str, str] | None = None,
        services: Mapping[str, str] | None = None,
        ai: str | None = None,
    ) -> Iterator[Served]:
        """Serve a Worker folder on a free port, with its migrations applied and KV and D1 that end with the block.

        `variables` are variables and secrets; `kv` says what is in which namespace: "BINDING/key"; `services` where a service
        binding leads; `ai` where the AI binding does (see serve.mjs).
        """
        options = ["--modules", str(self.modules), "--migrate", *_pairs("--set", variables), *_pairs("--put", kv)]
        options += [*_pairs("--service", services), *(["--ai", ai] if ai else [])]
        with log.open("w") as output:
            process = subprocess.Popen(
                self._command("serve.mjs", [str(worker), *options]), stdout=output, stderr=subprocess.STDOUT, env=_environ()
            )
        try:
            ready = _wait(process, log)
            yield Served(ready.pop("ready"), ready, log)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def measure(self, worker: Path) -> dict[str, Any]:
        """Start a Worker without serving it, and return what that cost."""
        ended = self._run("serve.mjs", [str(worker), "--modules", str(self.modules), "--measure"])
        assert ended.returncode == 0, ended.stderr
        return dict(json.loads(ended.stdout.splitlines()[-1]))

    def cases(self, modules: Sequence[str], sources: Sequence[Path], **values: str) -> list[dict[str, Any]]:
        """Run the cases of modules and return a line for each: case, ok, seconds, error."""
        options = [part for source in sources for part in ("--sources", str(source))]
        ended = self._run("cases.mjs", ["--modules", str(self.modules), *options, *_pairs("--set", values), *modules])
        lines = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
        assert lines, ended.stderr
        assert lines[-1].get("done"), ended.stderr
        return [line for line in lines if "case" in line]

    def _command(self, script: str, options: Sequence[str]) -> list[str]:
        return [self.node, str(self.folder / script), *options]

    def _run(self, script: str, options: Sequence[str]) -> subprocess.CompletedProcess[str]:
        command = self._command(script, options)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE, env=_environ())


def lay_out(installation: Installation, into: Path) -> Pyodide:
    """Put harness and packages into a folder: the checkout may be read-only, and its kit is not the one that was vendored before."""
    folder, modules = into / "harness", into / "python_modules"
    shutil.copytree(HARNESS, folder, ignore=shutil.ignore_patterns("node_modules", "python_modules", "__pycache__", "tests"))
    (folder / "node_modules").symlink_to(installation.node_modules)
    shutil.copytree(installation.python_modules, modules)
    shutil.rmtree(modules / "worker_kit", ignore_errors=True)
    shutil.copytree(KIT, modules / "worker_kit", ignore=shutil.ignore_patterns("__pycache__"))
    return Pyodide(installation.node, folder, modules)


def _pairs(option: str, values: Mapping[str, str] | None) -> list[str]:
    return [part for name, value in (values or {}).items() for part in (option, f"{name}={value}")]


def _environ() -> dict[str, str]:
    return {**os.environ, **QUIET}


def _wait(process: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    """Return the line that says where the Worker answers, as soon as its log has it."""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            lines = log.read_text().splitlines(keepends=True)
            ready = next((line for line in lines if line.startswith('{"ready"') and line.endswith("\n")), "")
            if ready:
                return dict(json.loads(ready))
        else:
            raise AssertionError(f"the Worker ended: {log.read_text()}")
    raise AssertionError(f"the Worker is not ready after {DEADLINE} s: {log.read_text()}")
