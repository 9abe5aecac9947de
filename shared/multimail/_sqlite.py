"""SQLite files that several processes open."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

_TIMEOUT = 30.0


def connect_shared(path: str | Path) -> sqlite3.Connection:
    """Open a file in WAL mode, in autocommit; a lock of another process is waited for.

    Raises:
        sqlite3.Error: It is no database, can't be written, or was locked for 30 seconds.
    """
    db = sqlite3.connect(path, timeout=_TIMEOUT, isolation_level=None, check_same_thread=False)
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            # SQLite's own timeout does not hold for the change of the mode.
            db.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                db.close()
                raise
            time.sleep(0.01)
        else:
            return db
