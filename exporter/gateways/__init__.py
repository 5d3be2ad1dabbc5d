"""What a gateway sends and how it proves its identity: MPS, the generic format, descriptions."""
