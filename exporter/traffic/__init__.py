"""Simulated senders, for `simulate`, `replay`, `demo` and the benchmark."""
