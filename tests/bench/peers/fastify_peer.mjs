// What people write on Node: fastify and prom-client, counters in memory, nothing verified.
import fastify from "fastify";
import client from "prom-client";

const results = new client.Counter({
  name: "push_results_total",
  help: "Push results.",
  labelNames: ["channel", "code", "severity"],
});
const severityOf = (code) => (code === "2" ? "info" : "error");
const app = fastify({ logger: false, bodyLimit: 1048576 });

app.post("/webhooks/mps", async (request, reply) => {
  const { channel = "mps", statusCode } = request.body;
  results.inc({ channel, code: statusCode, severity: severityOf(statusCode) });
  reply.code(200).send();
});

app.post("/webhooks/results", async (request, reply) => {
  for (const { channel, code, count = 1 } of request.body) {
    const text = String(code);
    results.inc({ channel, code: text, severity: severityOf(text) }, count);
  }
  reply.code(200).send();
});

app.get("/metrics", async (_request, reply) => {
  reply.type(client.register.contentType).send(await client.register.metrics());
});

await app.listen({ host: "127.0.0.1", port: Number(process.argv[2]) });
