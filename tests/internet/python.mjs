// Start Pyodide as a command-line Python: python.mjs PROGRAM [ARGUMENT…], where PROGRAM is what sys.executable shall be.
import { readdirSync, realpathSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { loadPyodide } from "./pyodide.mjs";

// Pyodide makes these itself; everything else at the root of the machine is shown to Python under its own name.
const ITS_OWN = new Set(["dev", "lib", "proc", "lib64", "sys"]);

const [program, ...args] = process.argv.slice(2);

function showMachine(FS) {
  for (const name of readdirSync("/")) {
    if (ITS_OWN.has(name) || !statSync(`/${name}`, { throwIfNoEntry: false })?.isDirectory()) continue;
    FS.mkdirTree(`/${name}`);
    FS.mount(FS.filesystems.NODEFS, { root: realpathSync(`/${name}`) }, `/${name}`);
  }
  FS.chdir(process.cwd());
}

try {
  const pyodide = await loadPyodide({
    args,
    // PYTHONINSPECT: Pyodide would set it, and then sys.exit() prints a traceback instead of ending.
    env: { HOME: "/tmp", ...process.env, PYTHONINSPECT: "" },
    _sysExecutable: resolve(program),
    fsInit: async (FS) => showMachine(FS),
  });
  // The process's own streams instead of a console's lines.
  pyodide.setStdin();
  pyodide.setStdout();
  pyodide.setStderr();
  process.exit(pyodide._module._run_main());
} catch (error) {
  // What --version and wrong arguments end with, before Python has started.
  if (error?.constructor?.name === "ExitStatus") process.exit(error.status);
  throw error;
}
