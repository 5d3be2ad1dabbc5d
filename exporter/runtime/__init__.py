"""What lives as long as the process, and the snapshot that a reload replaces."""
