"""Connecting to PostgreSQL: the address of a database, and errors that never show its password."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from .protocol import StoreUnavailableError

Native = psycopg.Connection[tuple[Any, ...]]

_SCHEMES = ("postgresql://", "postgres://")
_OLDEST = 13
_CONNECT_SECONDS = 5
_DEFAULTS: dict[str, Any] = {
    "connect_timeout": _CONNECT_SECONDS,
    "application_name": "multimail",
    # A server that is gone without a word is noticed within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # Not a standby, where nothing can be written and what is read is late.
    "target_session_attrs": "read-write",
}
_SETTINGS = (
    b"SELECT set_config('synchronous_commit', 'on', false) "
    b"WHERE current_setting('synchronous_commit') IN ('off', 'local'); "
    b"SET client_min_messages = error; "
    # Whoever waits for a turn behind a process that hangs is told so and can come again.
    b"SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '30s'; "
    # The other end, too, notices soon that a machine is gone, and ends its claims.
    b"SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
)


@dataclass(frozen=True, slots=True)
class Database:
    """Where a database is.

    Attributes:
        conninfo: For libpq, with the password if the URL has one.
        shown: The same for people, without user and password.
    """

    conninfo: str = field(repr=False)
    shown: str

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read a URL such as `postgresql://user@host:5432/name?sslmode=verify-full`.

        Raises:
            StoreUnavailableError: It is none; what it says is not repeated.
        """
        if not url.startswith(_SCHEMES):
            raise StoreUnavailableError(
                "The database must be given as a URL such as postgresql://user@host:5432/name."
            )
        try:
            parts = conninfo_to_dict(url)
        except psycopg.Error:
            raise StoreUnavailableError(
                "The URL of the database cannot be read. It is postgresql://user:password@host:"
                "port/name?option=value; write / @ : % in the password as %2F %40 %3A %25."
            ) from None
        host, port = parts.get("host") or "localhost", parts.get("port")
        shown = f"postgresql://{host}{f':{port}' if port else ''}/{parts.get('dbname') or ''}"
        return cls(make_conninfo("", **{**_DEFAULTS, **parts}), shown)

    def connect(self) -> Native:
        """Return a connection in autocommit mode whose commits are durable.

        Raises:
            psycopg.OperationalError: There is none to be had now.
            StoreUnavailableError: The database is too old.
        """
        connection = psycopg.connect(self.conninfo, autocommit=True)
        try:
            self.prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def opened(self) -> Native:
        """Return what `connect` does, with StoreUnavailableError as the only error."""
        try:
            return self.connect()
        except psycopg.Error as error:
            raise unavailable(error) from None

    def prepare(self, connection: Native) -> None:
        """Set a new connection up."""
        if connection.info.server_version < _OLDEST * 10_000:
            raise StoreUnavailableError(
                f"{self.shown} is served by PostgreSQL {connection.info.server_version // 10_000}; "
                f"it takes {_OLDEST} or newer."
            )
        connection.execute(_SETTINGS, prepare=False)


def said(error: BaseException) -> str:
    """Return what went wrong in one line, without the row that a constraint refused."""
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return " ".join((primary or str(error)).split())


def unavailable(error: BaseException) -> StoreUnavailableError:
    """Return an error of the database as the store's."""
    return StoreUnavailableError(f"The database cannot be used now: {said(error)}")
