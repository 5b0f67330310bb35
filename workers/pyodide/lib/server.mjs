// HTTP in front of a Worker's entry: Node's requests become the runtime's, and its responses Node's.
import http from "node:http";
import { Readable } from "node:stream";

const SCHEDULED = "/cdn-cgi/handler/scheduled";
const BODILESS = new Set(["GET", "HEAD"]);

class ExecutionContext {
  constructor(pending) {
    this.pending = pending;
  }
  waitUntil(promise) {
    this.pending.add(promise);
    Promise.resolve(promise).catch(() => {}).finally(() => this.pending.delete(promise));
  }
  passThroughOnException() {}
}

class ScheduledController {
  constructor(cron, scheduledTime) {
    this.cron = cron;
    this.scheduledTime = scheduledTime;
    this.type = "scheduled";
  }
  noRetry() {}
}

function toRequest(incoming) {
  const headers = new Headers();
  for (let index = 0; index < incoming.rawHeaders.length; index += 2) {
    headers.append(incoming.rawHeaders[index], incoming.rawHeaders[index + 1]);
  }
  if (!headers.has("cf-connecting-ip")) headers.set("cf-connecting-ip", incoming.socket.remoteAddress ?? "");
  const init = { method: incoming.method, headers };
  if (!BODILESS.has(incoming.method)) Object.assign(init, { body: Readable.toWeb(incoming), duplex: "half" });
  return new Request(new URL(incoming.url, `http://${incoming.headers.host ?? "localhost"}`), init);
}

async function write(response, outgoing, bodiless) {
  // Pairs, not a mapping: Set-Cookie may come more than once.
  const pairs = [];
  for (const [name, value] of response.headers) pairs.push(name, value);
  outgoing.writeHead(response.status, pairs);
  if (response.body && !bodiless) for await (const chunk of response.body) outgoing.write(chunk);
  outgoing.end();
}

async function scheduled(incoming, worker, env, context) {
  const query = new URL(incoming.url, "http://localhost").searchParams;
  const at = Number(query.get("time")) || Date.now();
  const controller = new ScheduledController(query.get("cron") ?? "", at);
  await worker.call(context, env, "scheduled", controller, env, context);
}

/** Serve `worker` on `port` (0: any free one); returns the server and the port. */
export async function serve({ worker, env, port, pending }) {
  const context = () => new ExecutionContext(pending);
  const server = http.createServer(async (incoming, outgoing) => {
    try {
      if (incoming.url.split("?")[0] === SCHEDULED) {
        await scheduled(incoming, worker, env, context());
        outgoing.end("Ran scheduled event");
      } else {
        await write(await worker.call(context(), env, "fetch", toRequest(incoming)), outgoing, incoming.method === "HEAD");
      }
    } catch (error) {
      // As workerd: the Worker's own exception is a 500 in plain text, told in the log alone.
      console.error(String(error.message ?? error));
      if (!outgoing.headersSent) outgoing.writeHead(500, { "content-type": "text/plain" });
      outgoing.end("Internal Server Error");
    }
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  return { server, port: server.address().port };
}
