"""The stores that the contract is held against: add a factory here, and every test runs on it.

Nothing in this folder but this file may know which database is behind a store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.store import rows

from multimail_server.store.postgres import PostgresStore
from multimail_server.store.protocol import Store
from multimail_server.store.sqlite import SqliteStore

Open = Callable[[], Store]


def sqlite_file(request: pytest.FixtureRequest) -> Open:
    """Return what opens the store that keeps this test's data in a file."""
    folder: Path = request.getfixturevalue("tmp_path")
    return lambda: SqliteStore(folder / "data.db")


def postgres_database(request: pytest.FixtureRequest) -> Open:
    """Return what opens the store that keeps this test's data in PostgreSQL."""
    url: str = request.getfixturevalue("database_url")
    return lambda: PostgresStore(url)


FACTORIES: dict[str, Callable[[pytest.FixtureRequest], Open]] = {
    "sqlite": sqlite_file,
    "postgres": postgres_database,
}


@pytest.fixture(params=FACTORIES)
def open_store(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open the store of this test, again after it was closed; all are closed at the end."""
    factory, opened = FACTORIES[request.param](request), list[Store]()

    def again() -> Store:
        opened.append(factory())
        return opened[-1]

    yield again
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Open) -> Store:
    """An open store with one account, one mailbox and one key in it."""
    store = open_store()
    store.write(rows.found)
    return store
