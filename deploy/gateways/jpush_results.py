"""Reports the delivery status of a JPush message, which its Report API gives by registration ID.

Ask once, when the time to live of the push is over: until then "not delivered" may change. Read:
https://docs.jiguang.cn/jpush/server/push/rest_api_v3_report (status/message). JPush also has a
webhook, whose fields its page does not list. Not known: until when statuses can be asked for.
Tested with jpush 3.4.1.
"""

from collections import Counter

from post_results import post

LARGEST_QUERY = 1000  # registration IDs


def report(client, msg_id, registration_ids, date=None):
    """Report how many devices have which status; `date` (yyyy-mm-dd) is the day of the push."""
    for start in range(0, len(registration_ids), LARGEST_QUERY):
        ids = registration_ids[start : start + LARGEST_QUERY]
        devices = client.create_report().get_status_message(msg_id, ids, date).payload
        # The keys are registration IDs: only their number is sent.
        counts = Counter(device["status"] for device in devices.values())
        results = [
            {"channel": "jpush-receipts", "code": status, "count": count}
            for status, count in sorted(counts.items())
        ]
        post(results, f"jpush-{msg_id}-{start}")
