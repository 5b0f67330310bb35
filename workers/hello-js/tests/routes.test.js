// Which page a request gets, and what it may not do; the database is real SQLite behind D1's way of asking.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, beforeEach, test } from "node:test";

import { LONGEST_BODY } from "../src/form.js";
import { answer } from "../src/routes.js";

const folder = mkdtempSync(join(tmpdir(), "hello-js-"));
let file = 0;
let env;

/** The part of a D1 binding that the counter uses. */
function openD1(path) {
  const database = new DatabaseSync(path);
  const statement = (text, values = []) => ({
    bind: (...bound) => statement(text, bound),
    run: async () => database.prepare(text).run(...values),
    first: async (column) => database.prepare(text).get(...values)?.[column] ?? null,
  });
  return { prepare: (text) => statement(text), database };
}

const ask = (method, path, init = {}) => answer(new Request(`http://127.0.0.1:8785${path}`, { method, ...init }), env);

const sendForm = (body, type = "application/x-www-form-urlencoded") =>
  ask("POST", "/form", { body, headers: { "content-type": type } });

const hits = async (response) => Number(/id="hits">(\d+)</.exec(await response.text())[1]);

beforeEach(() => {
  env = { DB: openD1(join(folder, `${++file}.sqlite`)) };
});
after(() => rmSync(folder, { recursive: true }));

for (const [path, words] of Object.entries({
  "/": "A JavaScript Worker",
  "/hello": "Hello World",
  "/form": '<form method="post"',
  "/status": "Runtime",
})) {
  test(`${path} is HTML that says what it is`, async () => {
    const response = await ask("GET", path);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "text/html; charset=utf-8");
    assert.ok((await response.text()).includes(words));
  });
}

test("health touches no state", async () => {
  assert.equal(await (await ask("GET", "/healthz")).text(), "ok\n");
  assert.equal(env.DB.database.prepare("SELECT count(*) AS tables FROM sqlite_master").get().tables, 0);
});

test("every visit of the counter counts one, also after a restart", async () => {
  assert.equal(await hits(await ask("GET", "/counter")), 1);
  assert.equal(await hits(await ask("GET", "/counter")), 2);
  env.DB.database.close();
  env = { DB: openD1(join(folder, `${file}.sqlite`)) };
  assert.equal(await hits(await ask("GET", "/counter")), 3);
});

test("a HEAD request counts nothing", async () => {
  assert.equal((await ask("HEAD", "/counter")).status, 405);
  assert.equal(await hits(await ask("GET", "/counter")), 1);
});

test("without a database the counter names the binding", async () => {
  env = {};
  const response = await ask("GET", "/counter");
  assert.equal(response.status, 503);
  assert.match(await response.text(), /D1 binding DB is missing/);
});

test("HEAD is GET without a body", async () => {
  const response = await ask("HEAD", "/hello");
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/html; charset=utf-8");
  assert.equal(await response.text(), "");
});

test("what a form holds is shown back as text", async () => {
  const text = await (await sendForm(new URLSearchParams({ name: " Ada ", message: `<script>"'&` }).toString())).text();
  assert.ok(text.includes("<b>Ada</b>"));
  assert.ok(text.includes("<pre>&lt;script&gt;&quot;&#x27;&amp;</pre>"));
});

test("HTML in a path stays text", async () => {
  // The URL parser leaves these two as they are, where it would encode angle brackets itself.
  const response = await ask("GET", "/it's&this");
  assert.equal(response.status, 404);
  assert.ok((await response.text()).includes("/it&#x27;s&amp;this"));
});

test("a name that every object has is no page", async () => {
  assert.equal((await ask("GET", "/constructor")).status, 404);
});

for (const [status, body, type] of [
  [415, "name=a", "text/plain"],
  [413, `name=${"a".repeat(LONGEST_BODY)}`, undefined],
]) {
  test(`a form that cannot be taken is refused with ${status} and a reason`, async () => {
    const response = await sendForm(body, type);
    assert.equal(response.status, status);
    assert.match(await response.text(), /Not taken/);
  });
}

for (const [method, path, allow] of [
  ["POST", "/", "GET, HEAD"],
  ["DELETE", "/form", "GET, POST, HEAD"],
  ["POST", "/counter", "GET"],
]) {
  test(`${method} ${path} is answered with the methods that there are`, async () => {
    const response = await ask(method, path);
    assert.equal(response.status, 405);
    assert.equal(response.headers.get("allow"), allow);
  });
}
