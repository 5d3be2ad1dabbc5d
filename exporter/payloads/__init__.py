"""Bodies of webhook calls, decoded into results; one module a format."""
