"""Tests that need PostgreSQL."""
