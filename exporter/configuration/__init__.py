"""What an operator writes: settings, and the files that they name, read and checked."""
