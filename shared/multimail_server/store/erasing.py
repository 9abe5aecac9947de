"""Erasing mail: which tables hold it, found from the schema's own references."""

from __future__ import annotations

import sqlite3

_MAIL = (
    "messages",
    "test_deliveries",
    "contacts",
    "webhook_deliveries",
    "approved_recipients",
    "notices",
)
"""Tables that hold mail, and no mailbox, key, setting or line of the audit log."""


def tables_of_mail(connection: sqlite3.Connection) -> list[str]:
    """Return `_MAIL` and every table that refers to it, each before those that it refers to."""
    names = [
        row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    ]
    parents = {name: _parents(connection, name) for name in names}
    order: list[str] = []

    def visit(table: str) -> None:
        for name in names:
            if table in parents[name] and name != table:
                visit(name)
        if table not in order:
            order.append(table)

    for table in _MAIL:
        visit(table)
    return order


def _parents(connection: sqlite3.Connection, table: str) -> set[str]:
    rows = connection.execute(f"PRAGMA foreign_key_list({table})")
    return {row[2] for row in rows}
