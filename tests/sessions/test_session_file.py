"""The session store in SQLite: file permissions and invalid files."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from multimail.sessions import SqliteSessionStore


def test_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    with closing(SqliteSessionStore(file)) as store:
        store.declare("s", ["ann@example.org"])
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    assert file.name in modes
    assert set(modes.values()) == {0o600}


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    file.write_bytes(b"This is no database, and long enough to be seen as none." * 20)
    with pytest.raises(sqlite3.DatabaseError):
        SqliteSessionStore(file)
    assert file.read_bytes().startswith(b"This is no database")
