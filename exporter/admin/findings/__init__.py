"""Findings: the thresholds of the alerts, applied to one exporter's recent counts."""
