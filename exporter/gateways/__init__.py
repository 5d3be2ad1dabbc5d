"""Gateways, their formats and authentication: MPS, the generic format, descriptions."""
