"""The services over data that no server has open, or over a database: for the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from .clock import Ids, SystemClock
from .mail.auth.dns import LazyResolver
from .services import Services
from .services.context import AppContext
from .services.drafts import load_outbound_headers
from .sources.account import SecretBox
from .store.protocol import Store
from .wakeups import CommitSignal

_PENDING_TTL = timedelta(hours=72)


@contextmanager
def open_services(data: Path | None, database: str | None) -> Iterator[Services]:
    """Yield the services over a data file or a database; nothing is sent, received or served.

    Args:
        data: The SQLite file, which is made if it is missing.
        database: The URL of the PostgreSQL database.
    Raises:
        StoreUnavailableError: A server has the file open, or the database is not there.
        ImportError: PostgreSQL's client is not installed.
    """
    store = _open_store(data, database)
    try:
        clock = SystemClock()
        context = AppContext(
            store=store,
            clock=clock,
            ids=Ids(clock),
            resolver=LazyResolver(),
            commits=CommitSignal(),
            domain="multimail.test",
            pending_ttl=_PENDING_TTL,
            undo_window=timedelta(),
            has_relay=False,
            outbound_headers=load_outbound_headers(store, ""),
            secrets=SecretBox(data),
        )
        yield Services(context)
    finally:
        store.close()


def _open_store(data: Path | None, database: str | None) -> Store:
    if database is not None:
        from .store.postgres import PostgresStore

        return PostgresStore(database)
    from .store.sqlite import SqliteStore

    if data is None:
        raise ValueError("Either a file or a database is needed.")
    return SqliteStore(data)
