"""Durable counts, exactly once: group commit, SQLite, PostgreSQL, the deduplication window."""
