"""The public application: one handler for every gateway, its limits and responses."""
