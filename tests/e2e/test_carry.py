"""`make export` and `make import` between two compose projects, and container images in an archive."""

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from drydock_cache.archive.images import load_images, project_images, save_images
from drydock_cache.archive.layout import ArchiveError
from drydock_cache.store import Store

from tests.compose import PREFIX, REPOSITORY, Project
from tests.e2e.stack import RUNTIME_2024

pytestmark = pytest.mark.timeout(600)

FILL = """
import sys
from pathlib import Path
from drydock_cache.index import StoredResponse
from drydock_cache.keys import CacheKey
from drydock_cache.store import Store
store = Store.open(Path("/var/lib/drydock/store"))
for number in range(3):
    stage = store.stage()
    stage.write(b"%d" % number * 100_000)
    key = CacheKey(f"https://assets.example/{number}.whl")
    store.commit(stage, lambda blob: StoredResponse(key, 200, (), blob, 1.0, 2.0))
store.close()
"""
LIST = """
from pathlib import Path
from drydock_cache.store import Store
store = Store.open_read_only(Path("/var/lib/drydock/store"))
for stored in store.responses():
    with store.read(stored) as blob:
        print(stored.key.url, stored.blob.digest, blob.read_at(0, 1).decode())
store.close()
"""
DRYDOCK = str(Path(sys.executable).with_name("drydock"))


def run(*command: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=REPOSITORY, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=400
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def python(project: Project, code: str) -> str:
    """Run Python in a container that has the project's store."""
    arguments = ("run", "--rm", "--no-deps", "--entrypoint", "/opt/drydock/bin/python", "carry", "-c", code)
    return project.compose("--profile", "carry", *arguments).stdout


def carry(project: Project, *arguments: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    """Run docker/tasks/carry on a project, as make does."""
    env = {"COMPOSE_PROJECT_NAME": project.name, "COMPOSE_FILE": "compose.yml", **project.env, **env}
    return run("docker/tasks/carry", *arguments, check=check, **env)


@pytest.fixture(scope="module")
def near(declare_project: Callable[..., Project]) -> Project:
    """A project whose store has three assets."""
    project = declare_project("carry-near", ("compose.yml",), RUNTIME_2024 | {"DRYDOCK_NETWORK": "10.213.131"})
    project.build()
    python(project, FILL)
    return project


def test_a_store_is_carried_from_one_project_to_another(
    near: Project, declare_project: Callable[..., Project], tmp_path: Path
) -> None:
    """In parts, with the signer that the near side printed, from a folder that nobody else may look into."""
    far = declare_project("carry-far", ("compose.yml",), RUNTIME_2024 | {"DRYDOCK_NETWORK": "10.213.132"})
    tmp_path.chmod(0o700)
    said = carry(near, "export", str(tmp_path / "team.drydock"), "--split", "64K").stdout
    signer = re.search(r"signed by (ed25519:[0-9a-f]{64})", said)
    assert signer, said
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["team.drydock.001"]
    again = carry(near, "export", str(tmp_path / "team.drydock"), check=False)
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    (tmp_path / "team.drydock.001").chmod(0o600)
    unreadable = carry(far, "import", str(tmp_path / "team.drydock"), check=False)
    assert (unreadable.returncode, "chmod a+r" in unreadable.stderr) == (1, True)
    (tmp_path / "team.drydock.001").chmod(0o644)
    assert "is not there" in carry(far, "import", str(tmp_path / "other"), check=False).stderr
    refused = carry(far, "import", str(tmp_path / "team.drydock"), check=False)
    assert refused.returncode == 1
    assert f"--key {signer[1]}" in refused.stderr
    carry(far, "import", str(tmp_path / "team.drydock"), "--key", signer[1])
    assert python(far, LIST) == python(near, LIST)
    assert len(python(far, LIST).splitlines()) == 3


def test_what_signs_is_not_where_the_proxys_key_is(near: Project) -> None:
    """A service that writes files for others to carry cannot read the CA's key."""
    config = near.compose("--profile", "carry", "config", "carry").stdout
    assert "source: signing" in config
    assert "source: state" not in config
    assert "network_mode: none" in config


@pytest.fixture
def image(tmp_path: Path) -> Iterator[str]:
    """A container image of one file."""
    name = f"{PREFIX}carried:latest"
    (tmp_path / "file").write_text("in the image")
    with tarfile.open(tmp_path / "image.tar", "w") as tar:
        tar.add(tmp_path / "file", "file")
    run("docker", "import", str(tmp_path / "image.tar"), name)
    yield name
    run("docker", "image", "rm", "--force", name, check=False)


def test_images_travel_with_the_store(image: str, tmp_path: Path) -> None:
    """Removed from the engine, an image is there again after the import; where there is no docker, its file stays and is named."""
    with closing(Store.open(tmp_path / "near")):
        pass
    command = (DRYDOCK, "export", str(tmp_path / "out"), "--store", str(tmp_path / "near"), "--state", str(tmp_path / "state"))
    run(*command, "--image", image)
    known = run("docker", "image", "inspect", "--format", "{{.Id}}", image).stdout
    run("docker", "image", "rm", "--force", image)
    key = str(tmp_path / "state" / "export.pub")
    taken = (DRYDOCK, "import", str(tmp_path / "out"), "--store", str(tmp_path / "far"), "--key", key)
    without = run(*taken, PATH="/nonexistent")
    assert f"docker load --input {tmp_path / 'out.images.tar'}" in without.stderr
    assert (tmp_path / "out.images.tar").stat().st_size > 1000
    assert run("docker", "image", "inspect", image, check=False).returncode != 0
    assert "Loaded image" in run(*taken).stderr
    assert run("docker", "image", "inspect", "--format", "{{.Id}}", image).stdout == known
    assert not (tmp_path / "out.images.tar").exists()


def test_the_compose_project_in_a_folder_says_which_images_are_its_own(
    image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`drydock export --images`: each once, in order; a project without any is no export, nor is a folder without a project."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("COMPOSE_"):
            monkeypatch.delenv(name)
    compose = tmp_path / "compose.yml"
    compose.write_text(f"services:\n  b: {{image: '{image}'}}\n  a: {{image: 'a:1'}}\n  c: {{image: '{image}'}}\n")
    assert project_images() == sorted(["a:1", image])
    compose.write_text(f"services:\n  one: {{image: '{image}'}}\n")
    with closing(Store.open(tmp_path / "near")):
        pass
    command = [DRYDOCK, "export", "out", "--store", "near", "--state", "state", "--images"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    compose.write_text("services: {}\n")
    with pytest.raises(ArchiveError, match=r"no images|failed"):
        project_images()
    # named, since compose would look for one in the folders above, too
    monkeypatch.setenv("COMPOSE_FILE", str(tmp_path / "nowhere.yml"))
    with pytest.raises(ArchiveError, match=r"docker compose config failed"):
        project_images()


def test_what_keeps_images_from_being_saved_leaves_no_file(image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that has no such image, a folder that is not there, Ctrl-C on the way, and no docker at all."""
    target = tmp_path / "images.tar"

    def stop(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(ArchiveError, match=r"docker save .* failed"):
        save_images([f"{PREFIX}nowhere"], target, lambda _count: None)
    with pytest.raises(KeyboardInterrupt):
        save_images([image], target, stop)
    with pytest.raises(ArchiveError, match=r"cannot be saved"):
        save_images([image], tmp_path / "nowhere" / "images.tar", lambda _count: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ArchiveError, match=r"docker cannot be started"):
        load_images(target)
    assert not target.exists()


def test_images_that_are_not_there_leave_no_export(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path / "near")):
        pass
    command = (DRYDOCK, "export", str(tmp_path / "out"), "--store", str(tmp_path / "near"), "--state", str(tmp_path / "state"))
    done = run(*command, "--image", f"{PREFIX}nowhere", check=False)
    assert done.returncode == 1
    assert "docker save" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["near", "state"]
    empty = run(*command, "--images-from", str(tmp_path / "nothing"), check=False)
    assert (empty.returncode, "cannot be read" in empty.stderr) == (1, True)
