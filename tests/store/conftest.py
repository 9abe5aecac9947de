"""The stores that the contract is tested on: add a factory here, and every test runs on it.

The tests of `test_store_queries` and `test_store_transactions` do not know which database it is.
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
    """Return a function that opens the test's store in a file."""
    folder: Path = request.getfixturevalue("tmp_path")
    return lambda: SqliteStore(folder / "data.db")


def postgres_database(request: pytest.FixtureRequest) -> Open:
    """Return a function that opens the test's store in PostgreSQL."""
    url: str = request.getfixturevalue("database_url")
    return lambda: PostgresStore(url)


FACTORIES: dict[str, Callable[[pytest.FixtureRequest], Open]] = {
    "sqlite": sqlite_file,
    "postgres": postgres_database,
}


@pytest.fixture(params=FACTORIES)
def open_store(request: pytest.FixtureRequest) -> Iterator[Open]:
    """A function that opens the test's store, or opens it again; all are closed at the end."""
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
    store.write(rows.insert_owner)
    return store
