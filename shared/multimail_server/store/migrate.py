"""Migrations: the SQL files in `schema/`, in the order of their numbers.

To change the schema, add a file with the next number, such as `0008_sessions.sql`. It runs on both
databases, with the dialect's types in place of `$text`, `$timestamp` and so on (`sql`). What
only one database needs stands in `0008_sessions.sqlite.sql` or `0008_sessions.postgres.sql`, which
runs after it as it is. A migration that has been released is never edited.

A database keeps the number of its last migration: SQLite in `PRAGMA user_version`, PostgreSQL in
the table `schema_version`.
"""

from __future__ import annotations

from pathlib import Path
from string import Template

from .protocol import StoreUnavailableError
from .sql import Dialect

_SCHEMA = Path(__file__).with_name("schema")
_SEARCH = "search"
"""The migration that makes the full-text index, which the stores then fill."""


def list_migrations() -> list[Path]:
    """Return the files of the migrations that both databases share, in order."""
    return sorted(path for path in _SCHEMA.glob("*.sql") if path.name.count(".") == 1)


def load_migrations(dialect: Dialect, applied: int, database: str) -> list[str]:
    """Return the SQL of each migration that a database lacks.

    Args:
        dialect: Of the database.
        applied: The number of its last migration; 0 if it is empty.
        database: Its name, for the error.
    Raises:
        StoreUnavailableError: A newer version of multimail has written it.
    """
    files = list_migrations()
    if applied > len(files):
        raise StoreUnavailableError(
            f"{database} was written by a newer version of multimail. Update multimail."
        )
    return [_load(path, dialect) for path in files[applied:]]


def _load(path: Path, dialect: Dialect) -> str:
    sql = Template(path.read_text(encoding="utf-8")).substitute(dialect.types)
    own = path.with_suffix(f".{dialect.name}.sql")
    return sql + own.read_text(encoding="utf-8") if own.exists() else sql


def lacks_search_index(applied: int) -> bool:
    """Return whether a database that has these migrations lacks the full-text index."""
    names = [path.stem.partition("_")[2] for path in list_migrations()]
    return applied <= names.index(_SEARCH)
