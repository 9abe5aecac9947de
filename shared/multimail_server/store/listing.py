"""A mailbox listing as SQL: the filters of `MessageFilter`, and the keyset that pages it."""

from __future__ import annotations

from typing import Any

from ..oversight import HIDDEN
from .records import MessageFilter
from .rows import to_microseconds

_HIDDEN_STATES = ", ".join(f"'{state.value}'" for state in sorted(HIDDEN))
_NOT_HIDDEN = f"(direction = 'outbound' OR status NOT IN ({_HIDDEN_STATES}))"


def select_messages(where: MessageFilter) -> tuple[str, list[Any]]:
    """Return what follows `FROM messages`, and its values."""
    clauses = ["mailbox_id = ?"]
    values: list[Any] = [where.mailbox_id]
    for clause, value in _simple(where):
        if value is not None:
            clauses.append(clause)
            values.append(value)
    if not where.statuses:
        clauses.append("status <> 'deleted'")
    else:
        clauses.append(f"status IN ({', '.join('?' * len(where.statuses))})")
        values.extend(state.value for state in where.statuses)
    if where.sender:
        clauses.append("(instr(casefold(from_address), ?) OR instr(casefold(from_name), ?))")
        values.extend([where.sender.casefold()] * 2)
    if _asks_content(where) and not where.reviewer:
        # A filter that matched hidden mail would tell what it says, one guess at a time.
        clauses.append(_NOT_HIDDEN)
    values.extend([where.limit, where.offset])
    return f"WHERE {' AND '.join(clauses)} ORDER BY id DESC LIMIT ? OFFSET ?", values


def _simple(where: MessageFilter) -> list[tuple[str, Any]]:
    return [
        ("id < ?", where.before_id),
        ("id > ?", where.since_id),
        ("direction = ?", where.direction.value if where.direction else None),
        ("instr(casefold(subject), ?)", where.subject_contains.casefold() if where.subject_contains
         else None),
        ("created_at >= ?", to_microseconds(where.date_after) if where.date_after else None),
        ("created_at < ?", to_microseconds(where.date_before) if where.date_before else None),
        ("has_attachments = ?", None if where.has_attachments is None
         else int(where.has_attachments)),
    ]  # fmt: skip


def _asks_content(where: MessageFilter) -> bool:
    return bool(where.sender or where.subject_contains or where.has_attachments is not None)
