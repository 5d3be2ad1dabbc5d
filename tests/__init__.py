"""Tests of push-result-exporter; one module a module of the exporter."""
