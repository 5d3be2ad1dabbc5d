"""The public application: one handler for all gateways, its limits, deliveries and responses."""
