"""pylock.toml: the files that an installer for Pyodide takes are listed, with the digests that the lock gives."""

import shutil
import subprocess
from pathlib import Path

import pytest
from drydock_cache.digest import Digest
from drydock_cache.errors import ConfigError
from drydock_cache.sources.pylock import LockedFile, read_pylock

_HEX = "ab" * 32


def _lock(folder: Path, *packages: str, head: str = 'lock-version = "1.0"\n') -> Path:
    path = folder / "pylock.toml"
    path.write_text(head + "".join(f"[[packages]]\n{package}\n" for package in packages))
    return path


def _wheel(name: str, more: str = "") -> str:
    return f'{{ url = "https://files.example.com/{name}", hashes = {{ sha256 = "{_HEX}" }}{more} }}'


def test_a_wheel_is_listed_with_its_digest_and_size(tmp_path: Path) -> None:
    path = _lock(tmp_path, f'name = "a"\nversion = "1.0"\nwheels = [{_wheel("a-1.0-py3-none-any.whl", ", size = 12")}]')
    assert read_pylock(path) == (LockedFile("https://files.example.com/a-1.0-py3-none-any.whl", "a", "1.0", Digest(_HEX), 12),)


@pytest.mark.parametrize(
    ("package", "names"),
    [
        # A build for WebAssembly goes before a pure wheel, and a pure wheel before those for other machines.
        ("wheels = [{any}, {wasm}, {linux}]", ["a-1-cp314-cp314-pyemscripten_2026_0_wasm32.whl"]),
        ("wheels = [{linux}, {any}]\nsdist = {sdist}", ["a-1-py3-none-any.whl"]),
        ("wheels = [{linux}]\nsdist = {sdist}", ["a-1-cp314-cp314-manylinux_2_17_x86_64.whl"]),
        ("sdist = {sdist}", ["a-1.tar.gz"]),
        ('archive = {{ url = "https://files.example.com/a.zip", hashes = {{ sha256 = "' + _HEX + '" }} }}', ["a.zip"]),
        ('wheels = [{{ path = "../a-1-py3-none-any.whl", hashes = {{}} }}]', []),
        ('directory = {{ path = "." }}', []),
        ('vcs = {{ type = "git", url = "https://git.example.com/a" }}', []),
        (
            'wheels = [{{ name = "a-1-py3-none-any.whl", url = "https://u:p@files.example.com/blob?id=7#x", hashes = {{}} }}, {linux}]',
            ["blob?id=7"],
        ),
    ],
)
def test_what_an_installer_for_pyodide_would_take_is_chosen(tmp_path: Path, package: str, names: list[str]) -> None:
    filled = package.format(
        any=_wheel("a-1-py3-none-any.whl"),
        wasm=_wheel("a-1-cp314-cp314-pyemscripten_2026_0_wasm32.whl"),
        linux=_wheel("a-1-cp314-cp314-manylinux_2_17_x86_64.whl"),
        sdist=_wheel("a-1.tar.gz"),
    )
    files = read_pylock(_lock(tmp_path, f'name = "a"\nversion = "1"\n{filled}'))
    assert [file.url for file in files] == [f"https://files.example.com/{name}" for name in names]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = ", "F is not valid TOML: Invalid value (at end of document)."),
        ("", "F: expected lock-version 1.x, found None."),
        ('lock-version = "2.0"', "F: expected lock-version 1.x, found '2.0'."),
        ('lock-version = "1.0"\npackages = 3', "F: expected packages to be a list of tables, found int."),
        ('lock-version = "1.0"\npackages = [{}]', "F: expected each of packages to be a table with a name, found {}."),
        (
            'lock-version = "1.0"\npackages = [{name = "a", wheels = [1]}]',
            "F: expected wheels of a to be a list of tables, sdist and archive to be tables.",
        ),
        (
            'lock-version = "1.0"\npackages = [{name = "a", wheels = [{url = "ftp://x/a-any.whl"}]}]',
            "F: expected a file of a to have an https URL, found 'ftp://x/a-any.whl'.",
        ),
        (
            'lock-version = "1.0"\npackages = [{name = "a", sdist = {url = "https://x/a", hashes = {sha256 = "12"}}}]',
            "F: a: '12' is not a sha256 digest: expected 64 lower-case hexadecimal digits.",
        ),
    ],
)
def test_a_lock_that_cannot_be_used_is_named_with_what_writes_it_anew(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "pylock.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as wrong:
        read_pylock(path)
    assert wrong.value.message == sentence.replace("F", str(path), 1)
    assert wrong.value.remedy == "Write it anew: pywrangler sync --force"


@pytest.mark.online
@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not installed")
def test_a_lock_that_uv_writes_is_read(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("packaging==26.3\n")
    command = ["uv", "pip", "compile", "--quiet", "in.txt", "--python-version", "3.14", "-o", "pylock.toml"]
    compiled = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if compiled.returncode != 0:
        pytest.skip(f"uv could not reach a package index: {compiled.stderr.strip()[-300:]}")
    (file,) = read_pylock(tmp_path / "pylock.toml")
    assert file.url.startswith("https://")
    assert file.url.endswith("/packaging-26.3-py3-none-any.whl")
    assert file.digest == Digest("d7193f7c8e4e93f444fde0262bf90af30e16fa0ad0ad44cb553c87339b23cd1c")
