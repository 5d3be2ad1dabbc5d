// Reports what firebase-admin's sendEach() and sendEachForMulticast() return. Tested with 14.5.1.
import { post } from "./post_results.mjs";

// `error.code` merges causes: a wrong project looks like a dead token, an expired access token like
// a bad APNs key. FCM's own code is in `error.httpResponse`; `error.code` is for failures without a
// response. Never send or log `error.cause`: it holds the token and the Authorization header.
export function results({ responses }) {
  return responses.map(({ success, messageId, error }) => {
    if (success) return { channel: "fcm", code: 2, id: messageId };
    const fcm = error.httpResponse?.data?.error;
    const detail = fcm?.details?.find((one) => one.errorCode)?.errorCode;
    return { channel: "fcm", code: detail ?? fcm?.status ?? error.code, message: error.message };
  });
}

export const report = (batch) => post(results(batch));
