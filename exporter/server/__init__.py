"""The process: start, listen, report readiness, drain, stop."""
