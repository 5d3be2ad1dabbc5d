"""Code tables, and the pure, total function that classifies a result."""
