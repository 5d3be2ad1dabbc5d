"""One connection to PostgreSQL: each statement within a deadline, each failure with advice."""

import asyncio
import os
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psycopg

from exporter.ledger.address import Address
from exporter.ledger.store import StoreError

STATEMENT_SECONDS = 4
"""After which the server gives a statement up."""

_DEADLINE = 6.0  # seconds for a whole exchange, if the server itself hangs
_CONNECT_SECONDS = 3  # for each host of the URL
_READ_ONLY = "25006"

# A connection that PostgreSQL refuses has no SQLSTATE, so match the message.
_ADVICE = {
    "password authentication failed|no password supplied": "check the user in LEDGER_URL and the "
    "password there or in LEDGER_PASSWORD_FILE",
    "role .* does not exist": "create the role, or correct the user in LEDGER_URL",
    "database .* does not exist": "create the database, or correct its name in LEDGER_URL",
    "no pg_hba.conf entry": "allow this host, user and database in the server's pg_hba.conf",
    "too many clients|too many connections|connection slots|no more connections": "raise "
    "max_connections or that of the role, or put PgBouncer before the server",
    "read-only|hot standby": "no host of LEDGER_URL takes writes: name the primary, or every host "
    "and target_session_attrs=read-write",
    "starting up|shutting down|recovery mode": "the server is starting or stopping; this passes",
    "resolve|translate host name|Name or service": "check the host in LEDGER_URL, and this "
    "machine's DNS",
    "SSL|certificate": "check sslmode and sslrootcert in LEDGER_URL",
    "startup parameter": "have PgBouncer pass it over with ignore_startup_parameters",
    "refused|timeout|timed out|No route|unreachable|No such file": "check that the server runs "
    "and that host and port in LEDGER_URL are its own",
}
_ADVICE_BY_CODE = {
    _READ_ONLY: "the server is read-only: name the primary in LEDGER_URL, or every host and "
    "target_session_attrs=read-write",
    "42501": "the role lacks rights: run `push-result-exporter ledger init --grant-to ROLE` as "
    "the owner of the schema",
    "42P01": "run `push-result-exporter ledger init` as a role that may create a schema",
    "3F000": "run `push-result-exporter ledger init` as a role that may create a schema",
    "53100": "the server's disk is full",
    "57014": f"the server took longer than {STATEMENT_SECONDS} s: look for locks and for its load",
}


class ConnectionLostError(StoreError):
    """The connection is gone, and with it the outcome of what was under way."""


class StatementError(StoreError):
    """The server refused a statement, of which nothing was done."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code
        """Its SQLSTATE."""

    @property
    def read_only(self) -> bool:
        """Whether this server takes no writes at all."""
        return self.code == _READ_ONLY


class Database:
    """A connection that is opened on request and closed by whatever spoils it."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.synchronous_commit: str | None = None
        """What each transaction sets it to, or None for the server's own."""
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def connect(self) -> None:
        """Connect, if there is no connection; raises StoreError or ConfigurationError."""
        if self._connection:
            return
        try:
            self._connection = await psycopg.AsyncConnection.connect(
                self.address.url,
                autocommit=True,
                cursor_factory=psycopg.AsyncClientCursor,
                prepare_threshold=None,  # PgBouncer may give each transaction another server
                **self._parameters(),
            )
        except (psycopg.Error, OSError, UnicodeError) as error:
            raise ConnectionLostError(_explain(error)) from error

    async def run(
        self,
        statement: str,
        values: Mapping[str, object] | None = None,
        *,
        seconds: float | None = None,
    ) -> list[tuple[Any, ...]]:
        """Run statements as one transaction; return the rows of the last.

        `seconds` is the time for each of them, where STATEMENT_SECONDS is too short.

        One message takes them there, which is all that PgBouncer's transaction mode asks for.
        Raises StatementError if nothing was done, ConnectionLostError if that is not known.
        """
        connection = self._connection
        if not connection:
            raise ConnectionLostError("there is no connection")
        seconds = STATEMENT_SECONDS if seconds is None else seconds
        deadline = max(_DEADLINE, seconds)
        watch = asyncio.get_running_loop().call_later(deadline, _abort, connection)
        try:
            cursor = await connection.execute(self._preamble(seconds) + statement, values)
            while cursor.nextset():
                pass
            return await cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            if connection.closed:
                await self.close()
                raise ConnectionLostError(_explain(error)) from error
            raise StatementError(_explain(error), error.sqlstate or "") from error
        finally:
            watch.cancel()

    async def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection:
            with suppress(psycopg.Error, OSError):
                await connection.close()

    def _preamble(self, seconds: float) -> str:
        settings = [
            # Each statement of the function `commit` has to see what was committed before it.
            "SET LOCAL transaction_isolation = 'read committed'; ",
            f"SET LOCAL statement_timeout = {seconds * 1000:.0f}; ",
        ]
        if self.synchronous_commit:
            settings.append(f"SET LOCAL synchronous_commit = {self.synchronous_commit}; ")
        return "".join(settings)

    def _parameters(self) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "application_name": "push-result-exporter",
            "client_encoding": "UTF8",
            "connect_timeout": _CONNECT_SECONDS,
            "tcp_user_timeout": round(_DEADLINE * 1000),
        }
        if (password := self.address.password()) is not None:
            parameters["password"] = password
        return parameters


def _abort(connection: psycopg.AsyncConnection[Any]) -> None:
    """End a connection whose server does not respond, as if the network had."""
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as one:
        one.shutdown(socket.SHUT_RDWR)


def _explain(error: Exception) -> str:
    """Say in a line what failed, and what to do about it."""
    said = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    text = " ".join((said or str(error)).split()) or type(error).__name__
    advice = _ADVICE_BY_CODE.get(getattr(error, "sqlstate", None) or "")
    if not advice:
        found = (
            advice for pattern, advice in _ADVICE.items() if re.search(pattern, text, re.IGNORECASE)
        )
        advice = next(found, None)
    return f"{text}; {advice}" if advice else text
