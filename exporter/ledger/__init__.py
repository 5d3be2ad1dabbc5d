"""Durable counts, each delivery once: group commit, SQLite, PostgreSQL, the window."""
