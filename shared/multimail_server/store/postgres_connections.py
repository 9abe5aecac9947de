"""Connections to PostgreSQL: its URL, its settings, and news of other processes' commits."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from .protocol import StoreUnavailableError

NativeConnection = psycopg.Connection[tuple[Any, ...]]

CHANNEL = "multimail_commits"
"""Where each commit is announced to the other processes, by NOTIFY."""

MIN_SERVER_VERSION = 13
CONNECT_TIMEOUT = 5
"""Seconds, as all timeouts here."""
LISTEN_TIMEOUT = 10.0
"""How long `Listener.start` waits for the first connection."""
NOTIFY_TIMEOUT = 0.5
ANNOUNCE_PAUSE = 0.005
POLL_INTERVAL = 5.0
"""After how long processes look for commits that were not announced."""
POOLED_POLL_INTERVAL = 0.5
"""The same where nothing is announced."""
RECONNECT_PAUSE = 1.0

_log = logging.getLogger(__name__)
_SCHEMES = ("postgresql://", "postgres://")
_DEFAULTS: dict[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT,
    "application_name": "multimail",
    # A server that disappears without closing the connection is noticed within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # Not a standby, where nothing can be written and reads are late.
    "target_session_attrs": "read-write",
}


def _settings(*, is_local: bool) -> bytes:
    """Return a statement of settings, for a transaction or for the connection."""
    durable = (
        "CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on' "
        "ELSE current_setting('synchronous_commit') END"
    )
    settings = {
        "synchronous_commit": durable,
        "client_min_messages": "'error'",
        # A write that waits behind a process that hangs fails in time, and can be repeated.
        "lock_timeout": "'10s'",
        "idle_in_transaction_session_timeout": "'30s'",
    }
    if not is_local:
        # The database, too, notices soon that a machine has disappeared, and ends its transactions.
        keepalives = {"idle": "10", "interval": "5", "count": "3"}
        settings |= {f"tcp_keepalives_{name}": f"'{value}'" for name, value in keepalives.items()}
    calls = (f"set_config('{name}', {value}, {is_local})" for name, value in settings.items())
    return f"SELECT {', '.join(calls)}".encode()


TRANSACTION_SETTINGS = _settings(is_local=True)
_SESSION_SETTINGS = _settings(is_local=False)
POOLED = "transaction"
"""The value of the URL's option `pool_mode` for a pooler that shares connections so."""


@dataclass(frozen=True, slots=True)
class Database:
    """The address of a database.

    Attributes:
        conninfo: For libpq, with the password if the URL has one.
        name: For messages: the URL without user and password.
        is_pooled: Whether a pooler gives each transaction another connection, so that nothing that
            is set or prepared on one is there in the next.
    """

    conninfo: str = field(repr=False)
    name: str
    is_pooled: bool = False

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Parse a URL such as `postgresql://user@host:5432/name?sslmode=verify-full`.

        Raises:
            StoreUnavailableError: It is not one; the error does not repeat it.
        """
        if not url.startswith(_SCHEMES):
            raise StoreUnavailableError(
                "The database must be given as a URL such as postgresql://user@host:5432/name."
            )
        try:
            url, is_pooled = _split_pool_mode(url)
            parts = conninfo_to_dict(url)
        except psycopg.Error:
            raise StoreUnavailableError(
                "The URL of the database cannot be read. Write postgresql://user:password@host:"
                "port/name?option=value, with / @ : % in the password as %2F %40 %3A %25."
            ) from None
        host, port = parts.get("host") or "localhost", parts.get("port")
        name = f"postgresql://{host}{f':{port}' if port else ''}/{parts.get('dbname') or ''}"
        return cls(make_conninfo("", **{**_DEFAULTS, **parts}), name, is_pooled)

    def connect(self) -> NativeConnection:
        """Return a connection in autocommit mode whose commits are durable.

        Raises:
            psycopg.OperationalError: The database cannot be reached now.
            StoreUnavailableError: The database is too old.
        """
        connection = psycopg.connect(self.conninfo, autocommit=True)
        try:
            self.prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def prepare(self, connection: NativeConnection) -> None:
        """Check the server's version, and set up a new connection."""
        version = connection.info.server_version // 10_000
        if version < MIN_SERVER_VERSION:
            raise StoreUnavailableError(
                f"{self.name} is served by PostgreSQL {version}. "
                f"Use PostgreSQL {MIN_SERVER_VERSION} or newer."
            )
        if self.is_pooled:
            connection.prepare_threshold = None
        else:
            connection.execute(_SESSION_SETTINGS, prepare=False)


def _split_pool_mode(url: str) -> tuple[str, bool]:
    """Return a URL without the option `pool_mode`, and whether it is `transaction`."""
    parts = urlsplit(url)
    options = parse_qsl(parts.query, keep_blank_values=True)
    others = [option for option in options if option[0] != "pool_mode"]
    if len(others) == len(options):
        return url, False
    return urlunsplit(parts._replace(query=urlencode(others))), ("pool_mode", POOLED) in options


def error_text(error: BaseException) -> str:
    """Return an error in one line, without the row that a constraint refused."""
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return " ".join((primary or str(error)).split())


def unavailable(error: BaseException) -> StoreUnavailableError:
    """Return the store's error for an error of the database."""
    return StoreUnavailableError(f"The database cannot be used now: {error_text(error)}")


class Announcer:
    """A thread that announces this process's commits; those that come close together, once.

    NOTIFY takes a lock of the whole database until its own commit, so it is never part of a write.
    A process that dies before it announces a commit is made up for by `POLL_INTERVAL`.

    Args:
        database: Where it commits.
        token: Identifies this process; hexadecimal.
    """

    def __init__(self, database: Database, token: str) -> None:
        self._database = database
        self._sql = f"NOTIFY {CHANNEL}, '{token}'".encode()
        self._wanted = threading.Event()
        self._is_due = self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="multimail-announcer", daemon=True)
        self._thread.start()

    def announce(self) -> None:
        """Announce a commit soon; from any thread."""
        self._is_due = True
        self._wanted.set()

    def close(self) -> None:
        """Announce what is left, and end the thread."""
        self._is_closed = True
        self._wanted.set()
        self._thread.join()

    def _run(self) -> None:
        connection: NativeConnection | None = None
        while not self._is_closed or self._is_due:
            self._wanted.wait()
            self._wanted.clear()
            if not self._is_due:
                continue
            self._is_due = False
            # The other processes look for themselves if this fails.
            with suppress(psycopg.Error, StoreUnavailableError):
                if connection is None or connection.closed:
                    connection = self._database.connect()
                connection.execute(self._sql)
            time.sleep(ANNOUNCE_PAUSE)
        if connection is not None:
            connection.close()


class Listener:
    """A thread that calls `on_commit` after each commit of another process.

    It also calls it every `POLL_INTERVAL`, since an announcement can be lost.

    Args:
        database: Where they commit.
        token: The payload of this process's own commits.
        on_commit: Called once for commits that arrive together.
        on_connect: Called when the thread listens, and again after each lost connection, since
            commits may have been missed.
    """

    def __init__(
        self,
        database: Database,
        token: str,
        on_commit: Callable[[], None],
        on_connect: Callable[[], None],
    ) -> None:
        self._database = database
        self._token = token
        self._on_commit = on_commit
        self._on_connect = on_connect
        self._stopping = threading.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="multimail-listener", daemon=True)

    def start(self) -> None:
        """Start the thread; return when it receives every commit from now on."""
        self._thread.start()
        self._listening.wait(LISTEN_TIMEOUT)

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except (psycopg.Error, StoreUnavailableError) as error:
                _log.warning("Not listening for commits of other servers: %s", error_text(error))
            self._stopping.wait(RECONNECT_PAUSE)

    def _listen(self) -> None:
        with self._database.connect() as connection:
            interval = POLL_INTERVAL
            if self._database.is_pooled:
                # LISTEN would act on the pooler's connection, which other clients use.
                interval = POOLED_POLL_INTERVAL
            else:
                connection.execute(f"LISTEN {CHANNEL}".encode())
            self._on_connect()
            self._listening.set()
            called_at = time.monotonic()
            while not self._stopping.is_set():
                # The generator ends after the first batch: commits that came together count once.
                batch = connection.notifies(timeout=NOTIFY_TIMEOUT, stop_after=1)
                is_news = any(notification.payload != self._token for notification in batch)
                if is_news or time.monotonic() - called_at > interval:
                    called_at = time.monotonic()
                    self._on_commit()


def get_lock_number(name: str) -> int:
    """Return the number of the advisory lock with this name."""
    digest = hashlib.sha256(f"multimail {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
