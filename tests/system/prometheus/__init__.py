"""Tests that need Prometheus; those of alerting need Alertmanager, too."""
