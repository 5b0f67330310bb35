// Ways out of a Worker: ?url= by fetch, the service binding, and what its environment holds.
async function report(promise) {
  try {
    const response = await promise;
    return Response.json({ status: response.status, body: await response.text() });
  } catch (error) {
    return Response.json({ error: String(error) });
  }
}

let ran = null;

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      case "/fetch":
        return report(fetch(searchParams.get("url")));
      case "/binding":
        return report(env.DISCORD_BOT.fetch("https://service.internal/notifications/sponsors", { method: "POST", body: "{}" }));
      case "/configured":
        return report(fetch(`${env.DISCORD_BOT_URL}/hello`));
      case "/secret-length":
        return new Response(String((env.SECRET ?? "").length));
      case "/cron":
        return new Response(String(ran));
      default:
        return new Response("ok");
    }
  },
  async scheduled(controller) {
    ran = controller.cron;
  },
};
