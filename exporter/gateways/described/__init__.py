"""The description language: a TOML file becomes a gateway."""
