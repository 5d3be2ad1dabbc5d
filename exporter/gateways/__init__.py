"""What each gateway sends, and how it proves who it is."""
