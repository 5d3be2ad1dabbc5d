"""A user of the admin listener."""

from pathlib import Path

import bcrypt

USER, PASSWORD = "prometheus", "tr0ub4dor:&3"


def write_users(path: Path) -> Path:
    """Write a password file as `htpasswd -B` does."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, b"2a")).decode()
    path.write_text(f"{USER}:{hashed}\n")
    return path
