"""Rejected requests: kept, and read again."""
