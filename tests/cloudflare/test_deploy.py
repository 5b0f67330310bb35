"""A deployment with the real wrangler, against a server that plays Cloudflare's API: what arrives, and what never does."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cloudflare.account import Script, Upload
from tests.cloudflare.conftest import DATABASE, NAMESPACE, Deploy, Played

SECRETS = "DISCORD_PUBLIC_KEY=0f0f0f0f\n# of the sponsors' tool\nexport API_KEY='pa$HOME#word'\n"


def files(folder: Path) -> dict[str, bytes]:
    """Return what a deployment must carry: sources below src, and python_modules, without what is compiled."""
    found = {path.relative_to(folder / "src"): path for path in (folder / "src").rglob("*.py")}
    found |= {path.relative_to(folder): path for path in (folder / "python_modules").rglob("*")}
    return {name.as_posix(): path.read_bytes() for name, path in found.items() if path.is_file() and path.suffix != ".pyc"}


def test_discord_bot_arrives_whole(deploy: Callable[..., Deploy], played: Played) -> None:
    """Byte for byte its sources, the kit and its packages; every binding, cron and flag; secrets as they stand in the file."""
    worker = deploy("discord-bot")
    done = worker(secrets=SECRETS)
    assert done.returncode == 0, done.stdout + done.stderr
    script = played.cloudflare.scripts["discord-bot"]
    (upload,) = script.uploads
    assert dict(upload.modules) == files(worker.folder)
    assert {"python_modules/fastapi/__init__.py", "python_modules/worker_kit/d1.py", "discord_bot/app.py"} <= set(
        upload.modules
    )
    assert upload.types["main.py"] == "text/x-python"
    assert upload.metadata["main_module"] == "main.py"
    assert upload.metadata["compatibility_date"] == "2026-11-01"
    assert upload.metadata["compatibility_flags"] == ["python_workers"]
    assert upload.bindings["KV"] == {"name": "KV", "type": "kv_namespace", "namespace_id": NAMESPACE}
    assert upload.bindings["DB"] == {"name": "DB", "type": "d1", "id": DATABASE}
    assert upload.bindings["AI"]["type"] == "ai"
    assert upload.bindings["ENVIRONMENT"]["text"] == "development"
    assert upload.bindings["API_KEY"] == {"name": "API_KEY", "type": "secret_text", "text": "pa$HOME#word"}
    assert script.crons == ["0 14 * * *", "0 14 * * MON"]
    assert script.live == ["00000001-0000-4000-8000-000000000000"]
    for secret in ("pa$HOME#word", "0f0f0f0f"):
        assert secret not in done.stdout + done.stderr
    assert list(Path(worker.env["DRYDOCK_RUN"]).glob("tmp*")) == []  # the file of secrets is gone


def test_platform_api_arrives_whole_and_is_bound_to_the_bot(deploy: Callable[..., Deploy], played: Played) -> None:
    """The same for platform-api, once discord-bot is there for its service binding."""
    played.cloudflare.scripts["discord-bot"] = Script()
    worker = deploy("platform-api")
    done = worker(secrets='{"API_KEY": "password"}')
    assert done.returncode == 0, done.stdout + done.stderr
    script = played.cloudflare.scripts["platform-api"]
    (upload,) = script.uploads
    assert dict(upload.modules) == files(worker.folder)
    assert set(upload.bindings) >= {"KV", "DB", "AI", "DISCORD_BOT", "API_KEY"}
    assert upload.bindings["DISCORD_BOT"]["service"] == "discord-bot"
    assert script.crons == ["*/5 * * * *"]


def test_a_second_deployment_keeps_the_secrets_and_becomes_live(deploy: Callable[..., Deploy], played: Played) -> None:
    """With its secrets at Cloudflare, nothing has to come along; the new version keeps them and takes over."""
    kept = played.cloudflare.scripts["discord-bot"] = Script(secrets={"API_KEY", "DISCORD_PUBLIC_KEY"})
    kept.keep(Upload({"bindings": []}, {}, {}))
    done = deploy("discord-bot", packages=False)()
    assert done.returncode == 0, done.stdout + done.stderr
    assert kept.live == ["00000002-0000-4000-8000-000000000000"]
    assert "secret_text" in kept.uploads[-1].metadata["keep_bindings"]
    assert kept.crons


def test_missing_secrets_of_a_worker_that_exists_are_named_with_the_command(
    deploy: Callable[..., Deploy], played: Played
) -> None:
    """One sentence names each missing secret and `wrangler secret put` for it; an optional one is not asked for."""
    played.cloudflare.scripts["discord-bot"] = Script(secrets={"API_KEY"})
    done = deploy("discord-bot", packages=False)()
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "discord-bot lacks DISCORD_PUBLIC_KEY at Cloudflare" in last
    assert "discord-bot wrangler secret put DISCORD_PUBLIC_KEY`" in last
    assert "SANITY_API_READ_TOKEN" not in last
    assert "put API_KEY" not in last
    assert played.uploads() == []


def test_the_first_deployment_asks_for_secrets_in_a_file(deploy: Callable[..., Deploy], played: Played) -> None:
    """A Worker that does not exist yet takes no secret: the sentence says that they come with the upload."""
    done = deploy("discord-bot", packages=False)(secrets="DISCORD_PUBLIC_KEY=0f0f\n")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "discord-bot needs API_KEY, and is not at Cloudflare yet" in last
    assert "make deploy WORKER=discord-bot SECRETS=FILE" in last
    assert played.uploads() == []


def test_placeholders_are_refused_before_anybody_is_asked(deploy: Callable[..., Deploy], played: Played) -> None:
    """The repository's own configuration: each placeholder is named with the command that makes the real thing."""
    done = deploy("discord-bot", pristine=True, packages=False)(secrets=SECRETS)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "wrangler kv namespace create KV`" in last
    assert "wrangler d1 create discord-bot`" in last
    assert "SANITY_API_URL still holds the placeholder 'your-project-id'" in last
    assert played.asked() == []


def test_a_dry_run_needs_no_token_and_no_api_and_says_what_would_go(deploy: Callable[..., Deploy], played: Played) -> None:
    """Name, sizes, modules by package, bindings, date, flags, crons and secrets by name; what is missing is said beside it."""
    worker = deploy("discord-bot", pristine=True).with_env(CLOUDFLARE_API_TOKEN="", CLOUDFLARE_ACCOUNT_ID="")
    done = worker("--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert played.asked() == []
    lines = done.stdout.splitlines()
    assert lines[0] == "discord-bot, as it goes to Cloudflare"
    said = dict(re.findall(r"^  (\S[\w ()]*?)  +(\S.*)$", done.stdout, re.MULTILINE))
    assert said["compatibility"] == "2026-11-01, python_workers"
    assert re.fullmatch(r"\d+\.\d+ KiB / gzip: \d+\.\d+ KiB", said["size"])
    assert said["modules"] == str(len(files(worker.folder)))
    assert said["crons (UTC)"] == "0 14 * * *; 0 14 * * MON"
    assert re.search(r"^    fastapi 0\.165\.0 +\d+ +\d+\.\d KiB$", done.stdout, re.MULTILINE)
    own = sum(not name.startswith("python_modules/") for name in files(worker.folder))
    assert re.search(rf"^    the Worker's own +{own} ", done.stdout, re.MULTILINE)
    for binding, kind in {"KV": "kv_namespace", "DB": "d1", "AI": "ai", "ENVIRONMENT": "plain_text"}.items():
        assert re.search(rf"^    {binding} +{kind}\b", done.stdout, re.MULTILINE)
    assert re.search(r"^    DISCORD_PUBLIC_KEY +required$", done.stdout, re.MULTILINE)
    assert re.search(r"^    SANITY_API_READ_TOKEN +optional$", done.stdout, re.MULTILINE)
    assert "a deployment would be refused: KV has the placeholder id" in done.stderr
    assert done.stderr.splitlines()[-1] == "drydock: dry run: nothing was uploaded"


def test_local_secrets_never_leave(deploy: Callable[..., Deploy], played: Played) -> None:
    """Nothing of .dev.vars is in any request or in the output, though wrangler reads that file for `dev`."""
    worker = deploy("discord-bot", packages=False)
    (worker.folder / ".dev.vars").write_text("API_KEY=local-only-0123456789\nSANITY_API_READ_TOKEN=local-too-0123456789\n")
    done = worker(secrets=SECRETS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SANITY_API_READ_TOKEN" not in played.cloudflare.scripts["discord-bot"].secrets
    for request in played.log.requests:
        assert b"local-" not in request.body
        assert "local-" not in request.target
    assert "local-" not in done.stdout + done.stderr


def test_a_check_stops_before_the_upload(deploy: Callable[..., Deploy], played: Played) -> None:
    """`--check` asks Cloudflare for the secrets and changes nothing; it fails where a deployment would, and leaves the report to that."""
    played.cloudflare.scripts["discord-bot"] = Script(secrets={"API_KEY", "DISCORD_PUBLIC_KEY"})
    worker = deploy("discord-bot", packages=False)
    checked = worker("--check")
    assert (checked.returncode, checked.stdout) == (0, "")
    assert "discord-bot, as it goes to Cloudflare" in worker("--dry-run").stdout
    played.cloudflare.scripts["discord-bot"].secrets.clear()
    assert worker("--check").returncode == 1
    assert any(path.endswith("/secrets") for _, path in played.asked())
    assert played.uploads() == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("API_KEYS=password\n", "names API_KEYS: expected DISCORD_PUBLIC_KEY, API_KEY and SANITY_API_READ_TOKEN"),
        ("API_KEY password\n", "line 1 of the file of secrets is not NAME=value"),
        ('{"API_KEY": "password"', "is not JSON"),
    ],
)
def test_a_file_of_secrets_with_a_mistake_is_refused_unsent(
    text: str, said: str, deploy: Callable[..., Deploy], played: Played
) -> None:
    """The mistake is named, the value beside it is not."""
    done = deploy("discord-bot", packages=False)(secrets=text)
    assert done.returncode == 1
    assert said in done.stderr
    assert "password" not in done.stdout + done.stderr
    assert played.asked() == []
