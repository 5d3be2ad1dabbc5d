"""Reports the delivery status of a message twice, as after a crash."""

import sys

import jpush
from jpush import common
from jpush_results import report

port, message, *ids = sys.argv[1:]
common.ZONES["DEFAULT"]["REPORT"] = f"http://127.0.0.1:{port}/v3/"
client = jpush.JPush("key", "secret")
for _ in range(2):
    report(client, int(message), ids)
