// Run Python cases in real Pyodide with real KV and D1: node cases.mjs --modules DIR --sources DIR MODULE...; one JSON line a case.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { makeEnv } from "./lib/bindings.mjs";
import { memoryBytes, startPython } from "./lib/runtime.mjs";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    modules: { type: "string" },
    sources: { type: "string", multiple: true },
    set: { type: "string", multiple: true },
  },
});
if (!options.modules || positionals.length === 0) {
  console.error("usage: node cases.mjs --modules DIR [--sources DIR]... [--set NAME=VALUE]... MODULE...");
  process.exit(2);
}
const here = path.dirname(fileURLToPath(import.meta.url));
const { env, dispose } = await makeEnv({ config: path.join(here, "contract", "wrangler.jsonc") });
const { pyodide, version, startMs } = await startPython({ modules: options.modules, sources: options.sources ?? [], env });
const given = Object.fromEntries((options.set ?? []).map((item) => item.split(/=(.*)/s).slice(0, 2)));
const runner = pyodide.pyimport("case_runner");
const failed = await runner.run(pyodide.toPy(positionals), env, pyodide.toPy(given), (line) => console.log(line));
console.log(JSON.stringify({ done: true, failed, pyodide: version, start_ms: Math.round(startMs), wasm_memory_bytes: memoryBytes(pyodide) }));
await dispose();
process.exit(failed ? 1 : 0);
