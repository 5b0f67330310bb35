// Run Pyodide as a command-line Python under Node: node pyodide_launcher.mjs EXECUTABLE [ARGUMENTS…]

import { readdirSync } from "node:fs";
import { loadPyodide } from "./pyodide.mjs";

const [, , executable, ...args] = process.argv;
// Emscripten brings these itself; every other top-level folder of the machine is shown to Python as it is.
const OWN = new Set(["dev", "lib", "proc", "sys"]);

function showFileSystem(FS) {
  for (const name of readdirSync("/").filter((entry) => !OWN.has(entry))) {
    FS.mkdirTree(`/${name}`);
    FS.mount(FS.filesystems.NODEFS, { root: `/${name}` }, `/${name}`);
  }
}

try {
  const pyodide = await loadPyodide({
    args,
    // What sys.executable says; uv finds the virtual environment's pyvenv.cfg by it.
    _sysExecutable: executable,
    env: { ...process.env, PYTHONINSPECT: "" },
    fullStdLib: false,
    fsInit: showFileSystem,
  });
  // Without these, output waits for a whole line and is Pyodide's console instead of the process's own streams.
  pyodide.setStdout();
  pyodide.setStderr();
  process.exit(pyodide._module._run_main());
} catch (error) {
  // `--version` and a wrong argument end Python before it has started; the status is all that there is then.
  if (error?.constructor?.name === "ExitStatus") process.exit(error.status);
  throw error;
}
