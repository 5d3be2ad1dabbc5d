"""What lives as long as the process, and what a reload replaces."""
