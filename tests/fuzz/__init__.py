"""Property-based tests: whatever is sent, the promises hold."""
