"""Authentication of senders: one class per scheme, over the raw request."""
