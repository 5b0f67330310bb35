// A Worker's D1 migrations, noted where `wrangler d1 migrations apply` notes them.
import fs from "node:fs";
import path from "node:path";

const NOTES = `CREATE TABLE IF NOT EXISTS d1_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`;

/** Split a script into statements: D1 runs one a call. Semicolons within quotes, comments and triggers stay. */
export function statements(script) {
  const tokens = script.match(/--[^\n]*|\/\*[^]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|\b\w+\b|;|[^]/g) ?? [];
  const found = [];
  let current = "";
  let depth = 0;
  let trigger = false;
  for (const token of tokens) {
    if (token.startsWith("--") || token.startsWith("/*")) continue;
    const word = token.toUpperCase();
    if (word === "TRIGGER" && /^\s*CREATE\b/i.test(current)) trigger = true;
    if (trigger && (word === "BEGIN" || word === "CASE")) depth += 1;
    if (trigger && word === "END") depth -= 1;
    if (token === ";" && depth === 0) {
      if (current.trim()) found.push(current.trim());
      current = "";
      trigger = false;
    } else current += token;
  }
  if (current.trim()) found.push(current.trim());
  return found;
}

/** Apply what was not applied yet, each file as one transaction. */
export async function migrate(declared, env, folder) {
  for (const { binding, migrations_dir: named } of declared.d1_databases ?? []) {
    const files = path.resolve(folder, named ?? "migrations");
    if (!fs.existsSync(files)) continue;
    const database = env[binding];
    await database.prepare(NOTES).run();
    const done = new Set((await database.prepare("SELECT name FROM d1_migrations").all()).results.map((row) => row.name));
    for (const name of fs.readdirSync(files).filter((file) => file.endsWith(".sql")).sort()) {
      if (done.has(name)) continue;
      const parts = statements(fs.readFileSync(path.join(files, name), "utf8")).map((sql) => database.prepare(sql));
      await database.batch([...parts, database.prepare("INSERT INTO d1_migrations (name) VALUES (?)").bind(name)]);
    }
  }
}
