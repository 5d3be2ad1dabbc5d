"""Durable counts, each delivery once."""
