// Serve a Worker folder over HTTP in real Pyodide: node serve.mjs WORKER [options]; `--help` lists them.
import path from "node:path";
import { parseArgs } from "node:util";
import { makeEnv } from "./lib/bindings.mjs";
import { loadEntry, memoryBytes, startPython } from "./lib/runtime.mjs";
import { serve } from "./lib/server.mjs";

const USAGE = `usage: node serve.mjs WORKER [options]
  --modules DIR       folder of vendored packages (default: WORKER/python_modules)
  --port N            port on 127.0.0.1 (default 0: any free one; the line "ready" tells it)
  --set NAME=VALUE    a variable or secret; may be given again
  --put BINDING/KEY=VALUE  a value in KV; may be given again
  --service NAME=URL  where a service binding leads; may be given again
  --ai URL            where the AI binding leads
  --persist DIR       keep KV and D1 there (default: they end with the process)
  --migrate           apply the D1 migrations of WORKER first
  --measure           print the figures and end`;

function pairs(items = []) {
  return Object.fromEntries(items.map((item) => [item.slice(0, item.indexOf("=")), item.slice(item.indexOf("=") + 1)]));
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    modules: { type: "string" }, port: { type: "string", default: "0" }, ai: { type: "string" }, persist: { type: "string" },
    set: { type: "string", multiple: true }, put: { type: "string", multiple: true }, service: { type: "string", multiple: true },
    migrate: { type: "boolean" }, measure: { type: "boolean" }, help: { type: "boolean" },
  },
});
if (options.help || positionals.length !== 1) {
  console.error(USAGE);
  process.exit(options.help ? 0 : 2);
}

const folder = path.resolve(positionals[0]);
const { declared, env, raw, dispose } = await makeEnv({
  config: path.join(folder, "wrangler.jsonc"),
  values: pairs(options.set),
  services: pairs(options.service),
  ai: options.ai,
  persist: options.persist,
});
if (options.migrate) {
  const { migrate } = await import("./lib/migrations.mjs");
  await migrate(declared, raw, folder);
}
for (const [name, value] of Object.entries(pairs(options.put))) {
  const binding = name.slice(0, name.indexOf("/"));
  await raw[binding].put(name.slice(binding.length + 1), value);
}
const pending = new Set();
const { pyodide, version, startMs } = await startPython({
  modules: options.modules ?? path.join(folder, "python_modules"),
  sources: [path.dirname(declared.main)],
  env,
  onWait: (promise) => pending.add(promise.catch(() => {}).finally(() => pending.delete(promise))),
});
const worker = loadEntry(pyodide, path.basename(declared.main, ".py"));
const figures = {
  pyodide: version,
  pyodide_start_ms: Math.round(startMs),
  import_ms: Math.round(worker.importMs),
  wasm_memory_bytes: memoryBytes(pyodide),
};
if (options.measure) {
  console.log(JSON.stringify(figures));
  await dispose();
  process.exit(0);
}
const { server, port } = await serve({ worker, env, port: Number(options.port), pending });
console.log(JSON.stringify({ ready: `http://127.0.0.1:${port}`, ...figures }));

async function stop() {
  server.close();
  server.closeAllConnections();
  await Promise.allSettled([...pending]);
  console.log(JSON.stringify({ stopped: true, wasm_memory_bytes: memoryBytes(pyodide) }));
  await dispose();
  process.exit(0);
}
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
