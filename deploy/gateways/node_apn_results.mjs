// Reports what @parse/node-apn's send() returns. Tested with 8.1.0.
import { post } from "./post_results.mjs";

// Apple's reason is in `response.reason`, after ExpiredProviderToken in `error.message`; after a 5xx
// only the status is left, and without a response only `error.message`. The library repeats 429,
// 5xx and ExpiredProviderToken by itself: a result is that of the last attempt. `device` is the
// token: it is not sent.
export function results({ sent, failed }) {
  const accepted = sent.map((push) => ({ channel: "apns", code: 2, id: push["apns-id"] }));
  const rejected = failed.map(({ status, response, error, ...push }) => ({
    channel: "apns",
    code: response?.reason ?? status ?? "ConnUnavailable",
    message: error?.message,
    id: push["apns-id"],
  }));
  return [...accepted, ...rejected];
}

export const report = (outcome) => post(results(outcome));
