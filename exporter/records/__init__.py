"""Rejected requests: redacted, kept in a folder, read again."""
