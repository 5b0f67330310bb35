// A Worker's `env`: real KV and D1 from wrangler's local runtime, AI and services from small servers.
import { getPlatformProxy, unstable_readConfig } from "wrangler";

/** The names that the SDK knows bindings by; a platform proxy's own objects carry none. */
const KINDS = [
  ["kv_namespaces", "KvNamespace"],
  ["d1_databases", "D1Database"],
];

/** Workers AI by HTTP: POST {server}/run/{model} with the inputs; the answer's JSON, or its stream where that was asked for. */
class Ai {
  constructor(server) {
    this.server = server;
  }

  async run(model, inputs) {
    const body = JSON.stringify(inputs);
    const response = await fetch(`${this.server}/run/${model}`, { method: "POST", headers: { "content-type": "application/json" }, body });
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    return inputs.stream ? response.body : response.json();
  }
}

/** A service binding by HTTP: the same path at another address. */
class Fetcher {
  constructor(server) {
    this.server = server;
    this.fetch = async (input, init) => {
      const asked = new Request(input, init);
      const url = new URL(asked.url);
      // Whole, so that it goes out with its length, as it came.
      const body = asked.body ? await asked.arrayBuffer() : undefined;
      const { method, headers, redirect, signal } = asked;
      return fetch(new URL(url.pathname + url.search, this.server), { method, headers, redirect, signal, body });
    };
  }
}

/** Let an object of a platform proxy tell its kind, as the runtime's own does. */
function named(target, name) {
  const constructor = { name };
  return new Proxy(target, {
    get(object, property) {
      if (property === "constructor") return constructor;
      const value = object[property];
      return typeof value === "function" ? value.bind(object) : value;
    },
  });
}

/**
 * Read a Worker's configuration and make its env.
 * @param {{config: string, values?: Record<string, string>, ai?: string, services?: Record<string, string>, persist?: string}} options
 *   `values` replace variables and secrets; `persist` keeps KV and D1 in that folder, else they end with the process.
 */
export async function makeEnv({ config, values = {}, ai, services = {}, persist }) {
  const declared = unstable_readConfig({ config });
  const platform = await getPlatformProxy({
    configPath: config,
    persist: persist ? { path: persist } : false,
    remoteBindings: false,
  });
  const env = { ...platform.env };
  for (const [section, kind] of KINDS) {
    for (const { binding } of declared[section] ?? []) env[binding] = named(platform.env[binding], kind);
  }
  const aiName = declared.ai?.binding;
  if (aiName) {
    delete env[aiName];
    if (ai) env[aiName] = new Ai(ai);
  }
  for (const { binding } of declared.services ?? []) {
    delete env[binding];
    if (services[binding]) env[binding] = new Fetcher(services[binding]);
  }
  Object.assign(env, values);
  return { declared, env, raw: platform.env, dispose: () => platform.dispose() };
}
