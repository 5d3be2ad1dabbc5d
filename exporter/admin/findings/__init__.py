"""What is not as it should be: the thresholds of the alerts, applied to the last minutes."""
