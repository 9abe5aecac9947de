"""Fixtures of the session stores' tests: a file, and as many workers as want to open it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sessions.sends import OpenStore

from multimail.sessions import SqliteSessionStore


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a durable store stands."""
    return tmp_path / "sessions.db"


@pytest.fixture
def open_store(file: Path) -> Iterator[OpenStore]:
    """Open the file, as often as there are workers."""
    made: list[SqliteSessionStore] = []

    def make() -> SqliteSessionStore:
        made.append(SqliteSessionStore(file))
        return made[-1]

    yield make
    for one in made:
        one.close()
