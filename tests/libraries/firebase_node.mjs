// Sends a push to each token with firebase-admin, and reports the outcome.
import https from "node:https";
import net from "node:net";
import { initializeApp } from "firebase-admin/app";
import { getMessaging } from "firebase-admin/messaging";
import { report } from "./firebase_results.mjs";

const [port, ...tokens] = process.argv.slice(2);
// The library's address is fixed: its connections end at the local server, without TLS.
const httpAgent = new https.Agent();
httpAgent.createConnection = () => net.connect(port, "127.0.0.1");
const getAccessToken = async () => ({ access_token: "access-token", expires_in: 3600 });
const messaging = getMessaging(
  initializeApp({ projectId: "p", credential: { getAccessToken }, httpAgent }),
);
messaging.enableLegacyHttpTransport(); // HTTP/1.1, which takes the agent
const notification = { title: "Hello" };
await report(await messaging.sendEach(tokens.map((token) => ({ token, notification }))));
