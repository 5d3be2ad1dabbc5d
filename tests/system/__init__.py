"""Tests with the real programs around the exporter."""
