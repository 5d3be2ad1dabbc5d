"""Code tables, and the pure, total function from a result to its meaning."""
