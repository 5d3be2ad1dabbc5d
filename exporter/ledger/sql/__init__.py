"""The statements of each store, a file each."""

from functools import cache
from importlib.resources import files


@cache
def read_sql(store: str, name: str) -> str:
    """Read a statement of `sqlite` or `postgresql`, or a script of several."""
    return (files(__name__) / store / f"{name}.sql").read_text("utf-8")


def definition(role: str | None) -> str:
    """Return the statements that make the schema in PostgreSQL, with the rights of a role."""
    schema = read_sql("postgresql", "schema")
    if role is None:
        return schema
    quoted = '"' + role.replace('"', '""') + '"'
    return schema + "\n" + read_sql("postgresql", "grant").replace("{role}", quoted)
