"""Counts the results of mobile push notifications, durably and exactly once, for Prometheus."""
