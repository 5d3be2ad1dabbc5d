"""The private application: metrics, health, reload; status page, codes, runbooks."""
