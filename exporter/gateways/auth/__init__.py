"""How senders prove their identity: a class per authentication scheme, over the raw request."""
