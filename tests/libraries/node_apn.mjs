// Sends a push to each token with node-apn, and reports the outcome. APNs is in here, since it
// speaks HTTP/2: it answers with the status and reason given for the token.
import fs from "node:fs";
import http2 from "node:http2";
import apn from "@parse/node-apn";
import { report } from "./node_apn_results.mjs";

// The server's key signs the provider tokens, too.
const [keyFile, certificateFile, answers] = process.argv.slice(2);
const [key, cert] = [keyFile, certificateFile].map((file) => fs.readFileSync(file));
const byToken = JSON.parse(answers);
const tokens = Object.keys(byToken);
const server = http2.createSecureServer({ key, cert });
server.on("stream", (stream, headers) => {
  const [status, reason] = byToken[headers[":path"].split("/").pop()];
  stream.respond({ ":status": status, "apns-id": `id-${status}-${reason}` });
  stream.end(reason && JSON.stringify({ reason }));
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const token = { key, keyId: "K", teamId: "T" };
const options = { token, production: true, ca: cert, connectionRetryLimit: 1 };
const notification = new apn.Notification({ topic: "com.example.chat", alert: "Hello" });
const send = async (port, targets) => {
  const provider = new apn.Provider({ ...options, address: "localhost", port });
  await report(await provider.send(notification, targets));
  provider.shutdown();
};
await send(server.address().port, tokens);
await send(1, tokens.slice(0, 1)); // nobody listens there
process.exit();
