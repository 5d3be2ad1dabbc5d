"""The process: start, listen, report readiness, drain, stop; preflight checks, logs, systemd."""
