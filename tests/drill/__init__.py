"""What one would get at night: an incident played to the shipped rules and routes."""
