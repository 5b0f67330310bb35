// Decide which page a request gets.

import { increment } from "./counter.js";
import { FormError, readForm } from "./form.js";
import * as pages from "./pages.js";

const HTML = {
  "content-type": "text/html; charset=utf-8",
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
  "cache-control": "no-store",
};

const html = (body, status = 200, headers = {}) => new Response(body, { status, headers: { ...HTML, ...headers } });

/** Show what was sent, or say why it cannot be taken. */
async function takeForm(request) {
  try {
    return html(pages.thanks(await readForm(request)));
  } catch (error) {
    if (error instanceof FormError) return html(pages.fault("Not taken", error.message), error.status);
    throw error;
  }
}

/** Count this visit and show the number. */
async function count(_request, env) {
  if (!env.DB) {
    return html(pages.fault("No database", "The D1 binding DB is missing: add it to d1_databases in wrangler.jsonc."), 503);
  }
  return html(pages.counter(await increment(env.DB, "/counter")));
}

/** Say that the Worker answers, without touching any state. */
const showHealth = () =>
  new Response("ok\n", { headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" } });

const ROUTES = {
  "/": { GET: () => html(pages.home()) },
  "/hello": { GET: () => html(pages.hello()) },
  "/form": { GET: () => html(pages.form()), POST: takeForm },
  "/counter": { GET: count },
  "/status": { GET: () => html(pages.status({ Runtime: globalThis.navigator?.userAgent ?? "unknown" })) },
  "/healthz": { GET: showHealth },
};

/** Answer a Request; HEAD is GET without its body, except where GET changes something. */
export async function answer(request, env) {
  const { pathname } = new URL(request.url);
  const methods = Object.hasOwn(ROUTES, pathname) ? ROUTES[pathname] : undefined;
  if (!methods) return html(pages.fault("Not found", `There is no page ${pathname} here.`), 404);
  const allowed = [...Object.keys(methods), ...(pathname === "/counter" ? [] : ["HEAD"])];
  if (!allowed.includes(request.method)) {
    const allow = allowed.join(", ");
    return html(pages.fault("Not allowed", `${pathname} answers to ${allow} only.`), 405, { allow });
  }
  if (request.method !== "HEAD") return methods[request.method](request, env);
  const reply = await methods.GET(request, env);
  return new Response(null, { status: reply.status, headers: reply.headers });
}
