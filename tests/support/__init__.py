"""What the tests share: programs, traffic, browsers, files."""
