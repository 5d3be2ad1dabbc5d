"""Records of rejected requests: redacting, storing, reading."""
