"""The private application: metrics, health, reload, and the pages for people."""
