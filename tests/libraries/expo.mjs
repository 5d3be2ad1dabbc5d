// Sends a push to each token with expo-server-sdk, and reports tickets, and receipts twice.
import { Expo } from "expo-server-sdk";
import { reportReceipts, reportTickets } from "./expo_results.mjs";

const expo = new Expo();
const messages = process.argv.slice(2).map((to) => ({ to, title: "Hello" }));
const ids = await reportTickets(await expo.sendPushNotificationsAsync(messages));
await reportReceipts(expo, ids);
console.log(JSON.stringify(await reportReceipts(expo, ids)));
