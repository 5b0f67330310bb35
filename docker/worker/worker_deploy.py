"""Deploy a Worker: bundle it, say what would go, check what it needs, upload it: worker-deploy TOOL [--dry-run | --check] [ARGUMENTS…]

TOOL is pywrangler or wrangler. --secrets-stdin reads secrets to send along. Other arguments go to wrangler's deploy.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from worker_checks import (
    Configuration,
    Declared,
    ask_for_secrets,
    find_faults,
    missing_secrets,
    read_configuration,
    read_secrets,
)
from worker_errors import WorkerError
from worker_failures import Failure, explain, is_unknown_worker, read_failure
from worker_form import read_form
from worker_report import describe

HERE = Path(__file__).resolve().parent
READ_CONFIGURATION = """
const { createRequire } = require("node:module");
const [program, env] = process.argv.slice(1);
const { unstable_readConfig } = createRequire(program)("wrangler");
// The last line: an old wrangler has said that it uses a proxy before.
process.stdout.write("\\n" + JSON.stringify(unstable_readConfig ? unstable_readConfig({ env: env || undefined }) : null));
"""

# wrangler's list of modules, which the report has summed up.
_TABLE = re.compile(r"[┌│├└]|Attaching additional modules")


@dataclass(frozen=True)
class Ended:
    """A run of wrangler that ended; `records` are those that it keeps for programs."""

    code: int
    output: str
    errors: str
    """What it printed as such; empty where both were shown as one."""
    records: str

    @property
    def failure(self) -> Failure:
        """Return what is known of it where it failed."""
        return read_failure(self.output + self.errors, self.records)


class Deployment:
    """One deployment of the Worker in `work`; `run` is a folder that only this user reads, for what must not stay."""

    def __init__(self, work: Path, run: Path, options: argparse.Namespace, rest: Sequence[str]) -> None:
        self._work = work
        self._run = run
        self._options = options
        self._rest = list(rest)
        self._masked = [os.environ[name] for name in ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY") if os.environ.get(name)]
        self._service = os.environ.get("DRYDOCK_SERVICE") or ""

    def deploy(self) -> None:
        """Go through the whole deployment, or raise WorkerError with the sentence that says why not."""
        configuration = self._read_configuration()
        if configuration is None:
            self._bundle_with_old_wrangler()
            return
        self._service = self._service or configuration.name
        declared = self._read_declared()
        given = read_secrets(sys.stdin.read(), declared) if self._options.secrets_stdin else {}
        self._masked += given.values()
        form_file = self._run / "upload"
        bundled = self._wrangler("deploy", "--dry-run", "--outfile", str(form_file), *self._arguments())
        if bundled.code:
            print(bundled.output, bundled.errors, file=sys.stderr)
            raise WorkerError(f"{configuration.name} cannot be bundled: {bundled.failure.reason}; wrangler's message is above")
        form = read_form(form_file.read_bytes())
        # A check goes before the deployment that prints the report.
        if not self._options.check:
            size = re.search(r"Total Upload: (.*)", bundled.output)
            for line in describe(form, configuration, declared, size[1] if size else "unknown", tuple(given)):
                print(line, flush=True)
        faults = find_faults(self._service, configuration, declared, (binding["name"] for binding in form.bindings))
        if self._options.dry_run:
            for fault in faults:
                say(f"a deployment would be refused: {fault}")
            say("dry run: nothing was uploaded")
            return
        if faults:
            raise WorkerError(f"{configuration.name} cannot be deployed: {'; '.join(faults)}")
        self._check_secrets(configuration, declared, given)
        if not self._options.check:
            self._upload(configuration, given)

    def _bundle_with_old_wrangler(self) -> None:
        """Let a wrangler that programs cannot ask for its configuration (before 4) show what it would upload."""
        if not self._options.dry_run:
            raise WorkerError(
                "this wrangler is too old to be looked at before an upload: expected 4 or newer; leave WRANGLER_VERSION out"
            )
        bundled = self._wrangler("deploy", "--dry-run", *self._arguments(), shown=True)
        if bundled.code:
            raise WorkerError(f"the Worker cannot be bundled: {bundled.failure.reason}; wrangler's message is above")
        say("dry run: nothing was uploaded; a wrangler older than 4 leaves the report out")

    def _read_configuration(self) -> Configuration | None:
        """Return the configuration as wrangler reads it, or None where wrangler has no way to tell."""
        program = subprocess.run(["which", "wrangler"], capture_output=True, text=True, check=True).stdout.strip()
        node = ["node", "-e", READ_CONFIGURATION, str(Path(program).resolve()), self._options.env or ""]
        done = subprocess.run(node, cwd=self._work, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            raise WorkerError(f"wrangler cannot read the configuration in {self._work}; its message is above")
        read = json.loads(done.stdout.rpartition("\n")[2])
        return None if read is None else read_configuration(read)

    def _read_declared(self) -> Declared:
        python = self._work / ".venv-workers" / "bin" / "python"
        probe = [str(python if python.exists() else sys.executable), str(HERE / "worker_declared.py"), str(self._work / "src")]
        done = subprocess.run(probe, cwd=self._work, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            raise WorkerError(
                "the Worker's settings cannot be imported, so its secrets are not known; Python's message is above"
            )
        fields = json.loads(done.stdout)
        secrets = [field for field in fields if field["kind"] == "secret"]
        return Declared(
            required_secrets=tuple(field["name"] for field in secrets if field["required"]),
            optional_secrets=tuple(field["name"] for field in secrets if not field["required"]),
            required_bindings=tuple(
                field["name"] for field in fields if field["required"] and field["kind"] in {"kv", "d1", "ai", "service"}
            ),
        )

    def _check_secrets(self, configuration: Configuration, declared: Declared, given: dict[str, str]) -> None:
        if not missing_secrets(declared, given, ()):
            return
        listed = self._wrangler("secret", "list", "--format", "json", *self._environment(), tool="wrangler")
        exists = not (listed.code and is_unknown_worker(listed.failure))
        if listed.code and exists:
            self._fail(listed, configuration, "the list of secrets")
        there = [entry["name"] for entry in json.loads(listed.output)] if exists else []
        if missing := missing_secrets(declared, given, there):
            raise WorkerError(ask_for_secrets(self._service, configuration.name, missing, exists=exists))

    def _upload(self, configuration: Configuration, given: dict[str, str]) -> None:
        along: list[str] = []
        if given:
            file = self._run / "secrets.json"
            file.touch(0o600)
            file.write_text(json.dumps(given))
            along = ["--secrets-file", str(file)]
        uploaded = self._wrangler("deploy", *along, *self._arguments(), shown=True)
        if uploaded.code:
            self._fail(uploaded, configuration, "the upload")
        say(f"{configuration.name} is deployed")

    def _fail(self, ended: Ended, configuration: Configuration, what: str) -> None:
        def token_is_valid() -> bool:
            return self._wrangler("whoami", tool="wrangler").code == 0

        raise WorkerError(explain(ended.failure, configuration.name, what, token_is_valid))

    def _arguments(self) -> list[str]:
        return [*self._environment(), *self._rest]

    def _environment(self) -> list[str]:
        return ["--env", self._options.env] if self._options.env else []

    def _wrangler(self, *words: str, tool: str = "", shown: bool = False) -> Ended:
        """Run wrangler without a terminal, so that it asks nothing; print its output as it comes, if that is asked for."""
        records, errors = self._run / "records", self._run / "errors"
        records.write_text("")
        lines = []
        with errors.open("w") as beside:
            process = subprocess.Popen(
                [tool or self._options.tool, *words],
                cwd=self._work,
                # The cache would hold the account of an earlier token.
                env={**os.environ, "WRANGLER_OUTPUT_FILE_PATH": str(records), "WRANGLER_CACHE_DIR": str(self._run / "cache")},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if shown else beside,
                text=True,
                errors="replace",
            )
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(self._mask(line))
                if shown and not _TABLE.match(line):
                    print(lines[-1], end="", flush=True)
            process.wait()
        return Ended(process.returncode, "".join(lines), self._mask(errors.read_text(errors="replace")), records.read_text())

    def _mask(self, line: str) -> str:
        for secret in self._masked:
            line = line.replace(secret, "…")
        return line


def say(text: str) -> None:
    """Print one line about what is being done."""
    print(f"drydock: {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Deploy the Worker of the current folder, or say in one sentence why not."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("tool", choices=["pywrangler", "wrangler"])
    parser.add_argument("--dry-run", action="store_true", help="stop before the upload")
    parser.add_argument("--check", action="store_true", help="stop before the upload, and fail where it would be refused")
    parser.add_argument("--env", "-e", help="the environment of wrangler.jsonc")
    parser.add_argument("--secrets-stdin", action="store_true", help="read secrets to send along, JSON or NAME=value lines")
    options, rest = parser.parse_known_args()
    try:
        with tempfile.TemporaryDirectory(dir=os.environ.get("DRYDOCK_RUN", "/run/drydock")) as run:
            Deployment(Path.cwd(), Path(run), options, rest).deploy()
    except WorkerError as error:
        say(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted; an upload that had begun may have arrived: run the same command again")
        sys.exit(130)


if __name__ == "__main__":
    main()
