"""Reports what became of an Umeng task (a broadcast, a group, a file): totals, not events.

Ask once, when the task has expired: until then the totals grow. Umeng gives none for single pushes,
and no webhook of it was found; report the error_code of a send request that failed on the channel
`umeng`. From a copy of Umeng's API document and the package umeng-push 0.4 (the signature); not
tried against Umeng. Add codes/umeng-receipts.toml to CODE_TABLE_FILES.
"""

import hashlib
import json
import time

import requests
from post_results import post

URL = "https://msgapi.umeng.com/api/status"
COUNTS = {"sent_count": "delivered", "open_count": "opened"}
IOS_COUNTS = {"sent_count": "accepted", "open_count": "opened"}  # they come with total_count
STATES = {3: "task-failed", 6: "task-without-targets"}


def results(data):
    """Make results of the totals of a task."""
    ios = "total_count" in data
    names = IOS_COUNTS if ios else COUNTS
    counts = {code: int(data.get(name) or 0) for name, code in names.items()}
    if ios:
        counts["failed"] = int(data["total_count"]) - counts["accepted"]
    if int(data["status"]) in STATES:
        counts[STATES[int(data["status"])]] = 1
    return [
        {"channel": "umeng-receipts", "code": code, "count": count}
        for code, count in counts.items()
        if count > 0
    ]


def report(app_key, master_secret, task_id):
    """Report a task; RuntimeError with Umeng's error code if it tells nothing about it."""
    query = {"appkey": app_key, "timestamp": str(int(time.time())), "task_id": task_id}
    body = json.dumps(query)
    signed = f"POST{URL}{body}{master_secret}".encode()
    url = f"{URL}?sign={hashlib.md5(signed, usedforsecurity=False).hexdigest()}"
    answer = requests.post(url, body, headers={"Content-Type": "application/json"}, timeout=60)
    found = answer.json()
    if found["ret"] != "SUCCESS":
        raise RuntimeError(f"Umeng: error_code {found['data'].get('error_code')}")
    post(results(found["data"]), f"umeng-{task_id}")
