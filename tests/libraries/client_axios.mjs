// Sends results with axios and axios-retry, as the manual says.
import { setTimeout as sleep } from "node:timers/promises";
import axios from "axios";
import axiosRetry from "axios-retry";

axiosRetry(axios, {
  retries: 10,
  shouldResetTimeout: true,
  retryDelay: axiosRetry.exponentialDelay,
  retryCondition: (error) => axiosRetry.isNetworkError(error) || axiosRetry.isRetryableError(error),
});
const [authorization, body, ...calls] = process.argv.slice(2);
for (const call of calls) {
  const [id, url] = call.split("=");
  const headers = { authorization, "webhook-id": id, "content-type": "application/json" };
  await axios.post(url, body, { headers, timeout: 10_000 });
  await sleep(200);
}
