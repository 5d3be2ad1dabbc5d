"""Reports what firebase_admin.messaging's send_each functions return. Tested with 7.7.0."""

from post_results import post


def code(error):
    """Return FCM's own code; `error.code` gives one token of another app PERMISSION_DENIED.

    `error.code` is for failures without a response of FCM. Never send or log `error.cause` and
    `error.http_response.request`: they hold the token and the Authorization header.
    """
    try:
        fcm = error.http_response.json()["error"]
    except (AttributeError, KeyError, TypeError, ValueError):
        return error.code
    codes = [detail["errorCode"] for detail in fcm.get("details", []) if "errorCode" in detail]
    return codes[0] if codes else fcm["status"]


def result(response):
    """Make a result of a SendResponse."""
    if response.success:
        return {"channel": "fcm", "code": 2, "id": response.message_id}
    error = response.exception
    return {"channel": "fcm", "code": code(error), "message": str(error)}


def report(batch):
    """Report a BatchResponse."""
    post([result(response) for response in batch.responses])
