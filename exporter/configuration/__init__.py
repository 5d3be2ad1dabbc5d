"""What an operator writes, read and checked: settings, files, TLS, passwords."""
