"""The stores that the contract is held against: add a factory here, and every test runs on it.

Nothing in this folder but this file may know which database is behind a store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.store import rows

from multimail_server.store.protocol import Store
from multimail_server.store.sqlite import SqliteStore

Open = Callable[[Path], Store]


def sqlite_file(folder: Path) -> Store:
    """Open the store that keeps its data in a folder; the same folder is the same data."""
    return SqliteStore(folder / "data.db")


FACTORIES: dict[str, Open] = {"sqlite": sqlite_file}


@pytest.fixture(params=FACTORIES)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Open the store of this test, again after it was closed; all are closed at the end."""
    factory, opened = FACTORIES[request.param], list[Store]()

    def again() -> Store:
        opened.append(factory(tmp_path))
        return opened[-1]

    yield again
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Store:
    """An open store with one account, one mailbox and one key in it."""
    store = open_store()
    store.write(rows.found)
    return store
