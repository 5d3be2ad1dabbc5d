"""What each reason means for which a call is refused or an item is no result."""

CALLS = {
    "malformed_body": "not UTF-8, not JSON, not one of the shapes, broken off, "
    "or with over 10,000 items that are no results",
    "invalid_results": "not one item is a result; the answer lists why",
    "missing_credentials": "no sign, token or Standard Webhooks headers, "
    "or nothing configured for this webhook",
    "bad_signature": "no configured key, token or secret fits",
    "stale_timestamp": "webhook-timestamp is more than five minutes off: look at both clocks",
    "malformed_request": "not HTTP/1.1",
    "not_found": "no such path",
    "method_not_allowed": "only POST",
    "body_timeout": "the body took longer than BODY_TIMEOUT_SECONDS",
    "too_large": "the body is larger than MAX_BODY_BYTES",
    "unsupported_encoding": "the body is compressed; send it plain",
    "internal_error": "a fault of the exporter: its log has the traceback",
    "overloaded": "MAX_PENDING_RESULTS items wait for the disk, or too many bytes are being read",
    "ledger_unavailable": "nothing can be stored now: see Operation",
    "draining": "the exporter is stopping",
}
"""In the words of README."""

ITEMS = {
    "code_missing": "there is no status code",
    "code_invalid": "the code is neither an integer nor a name of 1 to 64 letters",
    "channel_invalid": "the channel is no text",
    "count_invalid": "the count is no integer from 1 to 1,000,000,000",
    "id_invalid": "the id is no text or integer, or longer than 256 characters",
    "message_invalid": "the message is no text",
    "not_an_object": "the item is no JSON object",
    "malformed_json": "the item is no JSON",
}

OF_THE_EXPORTER = frozenset({"internal_error", "overloaded", "ledger_unavailable", "draining"})
"""Calls refused for the state of the exporter, not for what they are."""
