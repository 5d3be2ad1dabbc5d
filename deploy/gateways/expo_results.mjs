// Reports Expo's tickets and receipts. Tested with expo-server-sdk 7.2.0.
import { post } from "./post_results.mjs";

// `details.error` is the code; without it `status` is. Messages quote the token: what stands in
// brackets is left out. A rejected promise of the library (429, 401 …) concerns a whole chunk:
// report `error.code ?? error.statusCode` with the number of its messages as `count`.
const result = ({ status, message, details }, id) => ({
  channel: "expo",
  code: details?.error ?? status,
  message: message?.replace(/\[[^\]]*\]?/g, "[…]"),
  id,
});

// Reports tickets that failed, and returns the ids of the others, for which receipts come.
export async function reportTickets(tickets) {
  await post(tickets.filter((ticket) => ticket.status !== "ok").map((ticket) => result(ticket)));
  return tickets.filter((ticket) => ticket.status === "ok").map((ticket) => ticket.id);
}

// Reports the receipts there are, and returns the ids of those to ask for again: a quarter of an
// hour after the push at the earliest, a day at the latest, when Expo drops them. A receipt that is
// reported again counts once.
export async function reportReceipts(expo, ids) {
  const waiting = [];
  for (const chunk of expo.chunkPushNotificationReceiptIds(ids)) {
    const receipts = await expo.getPushNotificationReceiptsAsync(chunk);
    await post(Object.entries(receipts).map(([id, receipt]) => result(receipt, id)), null);
    waiting.push(...chunk.filter((id) => !(id in receipts)));
  }
  return waiting;
}
