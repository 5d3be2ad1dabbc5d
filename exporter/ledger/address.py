"""The address of the PostgreSQL ledger: LEDGER_URL and its password, which is never shown."""

from pathlib import Path
from typing import NamedTuple

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from exporter.errors import ConfigurationError

_SCHEMES = ("postgresql://", "postgres://")
_EXAMPLE = "postgresql://user@host:5432/database"


class Address(NamedTuple):
    """A checked URL."""

    url: str
    password_file: Path | None
    name: str
    """The display name: user, hosts and database, without parameters."""

    def password(self) -> str | None:
        """Read the password file, if there is one; not cached, since the password may be rotated.

        Raises ConfigurationError if the file cannot be read.
        """
        if self.password_file is None:
            return None
        try:
            return self.password_file.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or "it is not UTF-8"
            raise ConfigurationError(
                f"LEDGER_PASSWORD_FILE {self.password_file}: {problem}"
            ) from error


def parse_address(url: str, password_file: Path | None = None) -> Address:
    """Parse LEDGER_URL as libpq does.

    Raises ConfigurationError, without any part of the URL: any part may be the password.
    """
    if not url.startswith(_SCHEMES):
        raise ConfigurationError(f"LEDGER_URL: it is not a URL like {_EXAMPLE}")
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(url).items() if value}
    except ProgrammingError:
        raise _unreadable() from None
    if password_file and "password" in parts:
        raise ConfigurationError("LEDGER_URL has a password, but LEDGER_PASSWORD_FILE is also set")
    hosts = parts.get("host", parts.get("hostaddr", "")).split(",")
    ports = parts.get("port", "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    if len(ports) != len(hosts) or not all(_is_port(port) for port in ports):
        raise _unreadable()
    places = ",".join(
        f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=True)
    )
    user = f"{parts['user']}@" if "user" in parts else ""
    return Address(url, password_file, f"postgresql://{user}{places}/{parts.get('dbname', '')}")


def _is_port(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 16)


def _unreadable() -> ConfigurationError:
    return ConfigurationError(
        f"LEDGER_URL: libpq cannot parse it; use a URL like {_EXAMPLE}, and percent-encode special "
        "characters of names and passwords"
    )
