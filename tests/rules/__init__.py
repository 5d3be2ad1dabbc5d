"""Unit tests of the alert rules, run by promtool, and what else reads the rules and runbooks."""
