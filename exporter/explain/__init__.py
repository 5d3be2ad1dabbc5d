"""What a code or a payload means, for pages and commands alike."""
