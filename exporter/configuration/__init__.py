"""Reads and validates configuration: settings, files, TLS, passwords."""
