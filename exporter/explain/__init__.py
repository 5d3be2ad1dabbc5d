"""Explanations of codes and payloads, for pages and commands."""
