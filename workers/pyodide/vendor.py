"""Put packages for Pyodide and local packages into one folder, as `pywrangler sync` leaves them: python vendor.py DIR [SOURCE...]."""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PLATFORM = [
    "--only-binary=:all:",
    "--python-version=3.14",
    "--implementation=cp",
    "--abi=cp314",
    "--abi=none",
    "--platform=pyemscripten_2026_0_wasm32",
    "--platform=any",
]


def main() -> int:
    """Vendor what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("into", type=Path, help="the folder, made anew")
    parser.add_argument("sources", type=Path, nargs="*", help="folders of local packages, such as ../kit/src/worker_kit")
    parser.add_argument("--requirements", type=Path, default=HERE / "requirements.txt", help="requirements with hashes")
    options = parser.parse_args()
    if options.into.exists():
        shutil.rmtree(options.into)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps", "--require-hashes"]
    command += [*PLATFORM, f"--target={options.into}", f"--requirement={options.requirements}"]
    status = subprocess.run(command, check=False).returncode
    if status:
        return status
    for source in options.sources:
        # What a wheel of it would hold; building one would fetch a build backend for every run.
        shutil.copytree(source, options.into / source.resolve().name, ignore=shutil.ignore_patterns("__pycache__"))
    files = [path for path in options.into.rglob("*") if path.is_file()]
    print(f"{options.into}: {len(files)} files, {sum(path.stat().st_size for path in files)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
