// Real Pyodide with a Worker's sources and packages where workerd puts them.
import { performance } from "node:perf_hooks";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { loadPyodide, version } from "pyodide";

const HERE = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const SOURCES = "/session/metadata";
const PACKAGES = `${SOURCES}/python_modules`;

/**
 * Start Pyodide.
 * @param {{modules: string, sources: string[], env?: object, onWait?: (promise: Promise<unknown>) => void}} options
 *   `modules`: folder of vendored packages; `sources`: folders for sys.path, the Worker's `src` first.
 */
export async function startPython({ modules, sources, env = {}, onWait = () => {} }) {
  const began = performance.now();
  const pyodide = await loadPyodide({ stdout: (line) => console.log(line), stderr: (line) => console.error(line) });
  const mounts = [path.join(HERE, "python"), ...sources];
  const mounted = mounts.map((folder, index) => {
    const at = `/session/mount${index}`;
    pyodide.FS.mkdirTree(at);
    pyodide.mountNodeFS(at, path.resolve(folder));
    return at;
  });
  pyodide.FS.mkdirTree(PACKAGES);
  pyodide.mountNodeFS(PACKAGES, path.resolve(modules));
  registerHelper(pyodide, env, onWait);
  // addsitedir also runs the SDK's .pth file, which patches packages for one thread; bytecode must not go into the checkout.
  pyodide.globals.set("_paths", pyodide.toPy(mounted));
  pyodide.runPython(`
import site, sys
sys.dont_write_bytecode = True
sys.path[:0] = _paths
site.addsitedir("${PACKAGES}")
del _paths
`);
  return { pyodide, version, startMs: performance.now() - began };
}

/** Give Python the modules that workerd registers and the SDK imports. */
function registerHelper(pyodide, env, onWait) {
  const waitUntil = (value) => {
    // What Python hands over is lent for this call alone.
    const owned = typeof value?.copy === "function" ? value.copy() : value;
    onWait(Promise.resolve(owned).finally(() => owned?.destroy?.()));
  };
  pyodide.registerJsModule("_pyodide_entrypoint_helper", {
    cloudflareWorkersModule: { env, waitUntil },
    cloudflareSocketsModule: {},
    doAnImport: (name) => import(name),
    patchWaitUntil: () => {},
  });
  pyodide.registerJsModule("_cloudflare_compat_flags", { python_request_headers_preserve_commas: true });
}

/** Load the entry; returns a function that calls one of its handlers. */
export function loadEntry(pyodide, entry) {
  const began = performance.now();
  const bridge = pyodide.pyimport("worker_entry");
  const loaded = bridge.load(entry);
  return {
    importMs: performance.now() - began,
    call: (ctx, env, method, ...args) => bridge.call(loaded, ctx, env, method, ...args),
  };
}

/** Bytes that Pyodide's memory has grown to; wasm memory never shrinks. */
export function memoryBytes(pyodide) {
  return pyodide._module.HEAP8.byteLength;
}
