// Posts results to the exporter; the reporters in Node beside this file import it.
// Set EXPORTER_URL (https://…/webhooks/results) and EXPORTER_TOKEN. Node 20 or newer.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const ATTEMPTS = 10; // about five minutes
const RETRIED = [502, 503, 504];

// Every attempt has the id of the first, so that a batch counts once however often it is sent. With
// null it has none, and the `id` of each result makes a repeated one a duplicate.
export async function post(results, id = randomUUID()) {
  if (results.length === 0) return;
  const url = new URL(process.env.EXPORTER_URL);
  const headers = { authorization: `Bearer ${process.env.EXPORTER_TOKEN}` };
  if (id) headers["webhook-id"] = id;
  const request = { method: "POST", headers, body: JSON.stringify(results) };
  for (let attempt = 1; ; attempt++) {
    const last = attempt === ATTEMPTS;
    const signal = AbortSignal.timeout(10_000);
    const response = await fetch(url, { ...request, signal }).catch((error) => {
      if (last) throw error;
    });
    if (response?.ok) return;
    if (response && (last || !RETRIED.includes(response.status)))
      throw new Error(`${response.status}: ${await response.text()}`);
    await sleep(Math.min(2 ** attempt, 60) * 1000);
  }
}
