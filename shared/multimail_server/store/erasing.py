"""Erasing mail: which tables hold it, found from the schema's own references."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from .connection import Connection

_MAIL = (
    "messages",
    "test_deliveries",
    "contacts",
    "webhook_deliveries",
    "approved_recipients",
    "notices",
)
"""Tables that hold mail, and no mailbox, key, setting or line of the audit log."""


def tables_of_mail(parents: Mapping[str, AbstractSet[str]]) -> list[str]:
    """Return `_MAIL` and every table that refers to it, each before those that it refers to.

    Args:
        parents: Every table of the database, with the tables that it refers to.
    """
    order: list[str] = []

    def visit(table: str) -> None:
        for name in parents:
            if table in parents[name] and name != table:
                visit(name)
        if table not in order:
            order.append(table)

    for table in _MAIL:
        visit(table)
    return order


def parents_in_sqlite(connection: Connection) -> dict[str, set[str]]:
    """Return every table of an SQLite database, with the tables that it refers to."""
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return {
        name: {row[2] for row in connection.execute(f"PRAGMA foreign_key_list({name})")}
        for (name,) in names
    }


def parents_in_postgres(connection: Connection) -> dict[str, set[str]]:
    """Return every table of a PostgreSQL schema, with the tables that it refers to."""
    parents: dict[str, set[str]] = {}
    sql = (
        "SELECT t.relname, p.relname FROM pg_class t "
        "LEFT JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype = 'f' "
        "LEFT JOIN pg_class p ON p.oid = c.confrelid "
        "WHERE t.relkind = 'r' AND t.relnamespace = current_schema()::regnamespace"
    )
    for table, parent in connection.execute(sql):
        parents.setdefault(table, set()).update({parent} if parent else ())
    return parents
