"""AWS Lambda: forwards the delivery status of Amazon SNS from CloudWatch Logs to the exporter.

Subscribe it to the log groups sns/<region>/<account>/app/<platform>/<name>[/Failure], and set
EXPORTER_URL (https://…/webhooks/results) and EXPORTER_TOKEN. SNS logs every failure, and successes
at a sample rate: their number is right at a rate of 100 only. Read:
https://docs.aws.amazon.com/sns/latest/dg/sns-msg-status.html
"""

import base64
import gzip
import hashlib
import json
import os
import urllib.request

CHANNELS = {
    "ADM": "adm",
    "APNS": "apns",
    "APNS_SANDBOX": "apns",
    "FCM": "fcm",
    "GCM": "fcm",
    "WNS": "wns",
}
ACCEPTED = 2


def handler(event, context):
    """Forward the log events of an invocation; Lambda repeats it after an exception."""
    del context
    events = log_events(event)
    headers = {
        "Authorization": f"Bearer {os.environ['EXPORTER_TOKEN']}",
        "Content-Type": "application/json",
        "webhook-id": webhook_id(events),
    }
    body = json.dumps(results(events)).encode()
    request = urllib.request.Request(os.environ["EXPORTER_URL"], body, headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.status


def log_events(event):
    """Unpack the log events of an invocation."""
    return json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))["logEvents"]


def webhook_id(events):
    """Return an id that is the same when Lambda repeats the invocation, so that it counts once.

    Log entries have no unique id: those of a push to a topic share its messageId.
    """
    return hashlib.sha256(" ".join(one["id"] for one in events).encode()).hexdigest()


def results(events):
    """Make a result of each log event."""
    return [result(json.loads(one["message"])) for one in events]


def result(entry):
    """Make a result of a log entry, which is about one push."""
    delivery = entry["delivery"]
    platform = delivery["destination"].split(":endpoint/")[-1].split("/")[0]
    succeeded = entry["status"] == "SUCCESS"
    return {
        "channel": CHANNELS.get(platform, platform.lower()),
        "code": ACCEPTED if succeeded else delivery["statusCode"],
        "message": None if succeeded else reason(delivery.get("providerResponse", "")),
        "id": entry["notification"]["messageId"],  # an exemplar, since the request has an id
    }


def reason(response):
    """Return the reason in a response of APNs, FCM or ADM, else the response."""
    try:
        answer = json.loads(response)
        if "error" in answer:  # FCM
            error = answer["error"]
            details = [one["errorCode"] for one in error.get("details", []) if "errorCode" in one]
            return details[0] if details else error["status"]
        return answer["reason"]
    except (AttributeError, KeyError, TypeError, ValueError):
        return response
