"""The SQL statements of each store, one per file."""

from functools import cache
from importlib.resources import files


@cache
def read_sql(store: str, name: str) -> str:
    """Read a statement of `sqlite` or `postgresql`, or a script of several."""
    return (files(__name__) / store / f"{name}.sql").read_text("utf-8")


def definition(role: str | None) -> str:
    """Return the statements that create the PostgreSQL schema and grant a role its privileges."""
    schema = read_sql("postgresql", "schema")
    if role is None:
        return schema
    quoted = '"' + role.replace('"', '""') + '"'
    return schema + "\n" + read_sql("postgresql", "grant").replace("{role}", quoted)
