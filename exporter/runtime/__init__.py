"""The hub that counts, and the snapshot that a reload replaces."""
