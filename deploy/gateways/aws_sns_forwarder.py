"""AWS Lambda: sends the delivery status of Amazon SNS from CloudWatch Logs to the exporter.

Subscribe it to the log groups sns/<region>/<account>/app/<platform>/<name>[/Failure], and set
EXPORTER_URL (https://…/webhooks/results) and EXPORTER_TOKEN. Failures are all logged, successes by
a sample rate: count them only if the rate is 100. Read:
https://docs.aws.amazon.com/sns/latest/dg/sns-msg-status.html
"""

import base64
import gzip
import json
import os
import urllib.request

CHANNELS = {"APNS": "apns", "APNS_SANDBOX": "apns", "GCM": "fcm", "FCM": "fcm"}
ACCEPTED = 2


def handler(event, context):
    """Send what a subscription delivers; an exception makes Lambda send it again."""
    del context
    request = urllib.request.Request(
        os.environ["EXPORTER_URL"],
        json.dumps(results(event)).encode(),
        {
            "Authorization": f"Bearer {os.environ['EXPORTER_TOKEN']}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.status


def results(event):
    """Make a result of each log entry."""
    logs = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    return [result(json.loads(one["message"])) for one in logs["logEvents"]]


def result(entry):
    """Make a result of what SNS logs for one push."""
    delivery = entry["delivery"]
    platform = delivery["destination"].split(":endpoint/")[-1].split("/")[0]
    succeeded = entry["status"] == "SUCCESS"
    return {
        "channel": CHANNELS.get(platform, platform.lower()),
        "code": ACCEPTED if succeeded else delivery["statusCode"],
        "message": None if succeeded else reason(delivery.get("providerResponse", "")),
        "id": entry["notification"]["messageId"],
    }


def reason(response):
    """Return the name that APNs or FCM gives the failure, or what it said."""
    try:
        said = json.loads(response)
    except ValueError:
        return response
    if not isinstance(said, dict):
        return response
    return said.get("reason") or (said.get("results") or [{}])[0].get("error") or response
