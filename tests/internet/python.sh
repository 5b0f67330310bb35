#!/bin/sh
# The interpreter that uv finds in a Pyodide distribution: CPython for WebAssembly, run by Node on the machine's own files.
exec node --no-warnings "$(dirname "$(realpath "$0")")/python.mjs" "$0" "$@"
