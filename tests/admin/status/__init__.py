"""Tests of the status page and its JSON."""
