"""The session store in a SQLite file, for the processes of one machine."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .._forks import keep_inherited, reset_after_fork
from .._sqlite import connect_shared
from ..errors import ConfigurationError
from ..trust.labels import Assessment, Label, Standing, Tier
from ..trust.taint import Taint, severity_key
from ._store import THREAD_WINDOW, SendToken

_SCHEMA = """
CREATE TABLE IF NOT EXISTS taint (session TEXT PRIMARY KEY, label TEXT, standing TEXT)
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS named (session TEXT, address TEXT, tier INTEGER,
    PRIMARY KEY (session, address)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS declared (session TEXT, address TEXT,
    PRIMARY KEY (session, address)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS known (scope TEXT, address TEXT,
    PRIMARY KEY (scope, address)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held (id INTEGER PRIMARY KEY, scope TEXT, email TEXT, address TEXT,
    UNIQUE (scope, email, address));
CREATE INDEX IF NOT EXISTS held_by_address ON held (scope, address, id);
CREATE TABLE IF NOT EXISTS sends (session TEXT, thread TEXT, key TEXT, at REAL,
    PRIMARY KEY (session, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sends_by_thread ON sends (thread, at);
CREATE INDEX IF NOT EXISTS sends_without_session ON sends (at) WHERE session = '|' || thread;
"""


class SqliteSessionStore:
    """A `SessionStore` in a SQLite file, which several processes of one machine can share.

    Args:
        path: The file; created if missing, readable by its owner only. It contains addresses and
            labels, no mail.

    Raises:
        ConfigurationError: The path is `:memory:`; use `MemorySessionStore`.
        sqlite3.Error: The file is not a database or can't be written. A tool then returns an
            error and does nothing.
    """

    def __init__(self, path: str | Path) -> None:
        if str(path).startswith(":"):
            raise ConfigurationError(
                "SqliteSessionStore needs the path of a file; use MemorySessionStore."
            )
        file = Path(path)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        self._file = file
        self._lock = threading.Lock()
        self._db = connect_shared(self._file)
        self._db.executescript(_SCHEMA)
        reset_after_fork(self)

    def _reset_after_fork(self) -> None:
        # SQLite's connections may not be used, nor closed, in a child.
        keep_inherited(self._db)
        self._lock, self._db = threading.Lock(), connect_shared(self._file)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self._file.absolute()),)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _read(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def taint(self, session: str, addresses: Collection[str] = ()) -> Taint:
        """See `SessionStore.taint`."""
        rows = self._read("SELECT label, standing FROM taint WHERE session = ?", session)
        named = {
            address: Tier(int(str(tier)))
            for address in addresses
            for (tier,) in self._read(
                "SELECT tier FROM named WHERE session = ? AND address = ?", session, address
            )
        }
        return Taint(_parse_assessment(*rows[0]) if rows else None, named)

    def merge_taint(self, session: str, more: Taint) -> None:
        """See `SessionStore.merge_taint`."""
        with self._transaction() as db:
            rows = db.execute(
                "SELECT label, standing FROM taint WHERE session = ?", (session,)
            ).fetchall()
            worst = more.worst
            if worst and (
                not rows or severity_key(worst) > severity_key(_parse_assessment(*rows[0]))
            ):
                db.execute(
                    "INSERT OR REPLACE INTO taint VALUES (?, ?, ?)",
                    (session, worst.label.value, worst.standing.value),
                )
            db.executemany(
                "INSERT INTO named VALUES (?, ?, ?) ON CONFLICT (session, address)"
                " DO UPDATE SET tier = min(tier, excluded.tier)",
                [(session, address, int(tier)) for address, tier in more.named.items()],
            )

    def declare(self, session: str, addresses: Iterable[str]) -> None:
        """See `SessionStore.declare`."""
        with self._transaction() as db:
            rows = [(session, address) for address in addresses]
            db.executemany("INSERT OR IGNORE INTO declared VALUES (?, ?)", rows)

    def declared(self, session: str) -> frozenset[str]:
        """See `SessionStore.declared`."""
        rows = self._read("SELECT address FROM declared WHERE session = ?", session)
        return frozenset(str(address) for (address,) in rows)

    def add_known(self, scope: str, addresses: Iterable[str]) -> None:
        """See `SessionStore.add_known`."""
        with self._transaction() as db:
            rows = [(scope, address) for address in addresses]
            db.executemany("INSERT OR IGNORE INTO known VALUES (?, ?)", rows)

    def known(self, scope: str, addresses: Collection[str]) -> frozenset[str]:
        """See `SessionStore.known`."""
        sql = "SELECT 1 FROM known WHERE scope = ? AND address = ?"
        return frozenset(address for address in addresses if self._read(sql, scope, address))

    def add_held(self, scope: str, email_id: str, addresses: Iterable[str]) -> None:
        """See `SessionStore.add_held`."""
        with self._transaction() as db:
            db.executemany(
                "INSERT OR IGNORE INTO held (scope, email, address) VALUES (?, ?, ?)",
                [(scope, email_id, address) for address in addresses],
            )

    def held_to(self, scope: str, addresses: Collection[str], limit: int) -> list[str]:
        """See `SessionStore.held_to`."""
        sql = "SELECT id, email FROM held WHERE scope = ? AND address = ? ORDER BY id DESC LIMIT ?"
        rows = {row for address in addresses for row in self._read(sql, scope, address, limit)}
        newest = sorted(rows, key=lambda row: int(str(row[0])), reverse=True)
        return list(dict.fromkeys(str(email_id) for _, email_id in newest))[:limit]

    def remove_held(self, scope: str, email_id: str) -> None:
        """See `SessionStore.remove_held`."""
        with self._transaction() as db:
            db.execute("DELETE FROM held WHERE scope = ? AND email = ?", (scope, email_id))

    def count_send(self, token: SendToken, per_session: int, per_thread: int) -> str:
        """See `SessionStore.count_send`."""
        with self._transaction() as db:
            since = (token.at - THREAD_WINDOW).timestamp()
            db.execute("DELETE FROM sends WHERE session = '|' || thread AND at <= ?", (since,))
            session = token.session or f"|{token.thread}"
            same_key = "key = ? AND (session = ? OR thread = ?)"
            if _count_sends(db, same_key, token.key, session, token.thread or None):
                return ""
            if token.session and _count_sends(db, "session = ?", session) >= per_session:
                return "session"
            recent = "thread = ? AND at > ?"
            if token.thread and _count_sends(db, recent, token.thread, since) >= per_thread:
                return "thread"
            row = (session, token.thread, token.key, token.at.timestamp())
            db.execute("INSERT INTO sends VALUES (?, ?, ?, ?)", row)
            return ""

    def reset(self, session: str) -> None:
        """See `SessionStore.reset`."""
        with self._transaction() as db:
            for table in ("taint", "named", "declared"):
                db.execute(f"DELETE FROM {table} WHERE session = ?", (session,))  # noqa: S608
            # The sends of a thread still count for the thread.
            db.execute("DELETE FROM sends WHERE session = ? AND thread = ''", (session,))
            db.execute(
                "UPDATE OR REPLACE sends SET session = session || '#' || key WHERE session = ?",
                (session,),
            )


def _count_sends(db: sqlite3.Connection, condition: str, *values: object) -> int:
    sql = f"SELECT count(*) FROM sends WHERE {condition}"  # noqa: S608
    (count,) = db.execute(sql, values).fetchone()
    return int(count)


def _parse_assessment(label: object, standing: object) -> Assessment:
    return Assessment(Label(str(label)), standing=Standing(str(standing)))
