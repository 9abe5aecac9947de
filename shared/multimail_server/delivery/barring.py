"""Barring: recipients on the suppression list are left out of what is handed over, and told of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..mail.bounces import classify_failure, parse_status
from ..mailroom.desk import Desk
from ..mailroom.suppression import BOUNCE, suppress, suppressed_of, why
from ..store.protocol import Tx
from ..store.records import Message, OutboxRow
from .relay import RecipientResult


def leave_out(tx: Tx, message: Message, row: OutboxRow) -> tuple[Message, OutboxRow]:
    """Take suppressed recipients out of an outbox row, and write why to the message."""
    barred = suppressed_of(tx, message.account_id, row.remaining)
    if not barred:
        return message, row
    told = {
        who: {
            "accepted": False,
            "code": None,
            "detail": why(entry),
            "permanent": True,
            "suppressed": True,
        }
        for who, entry in barred.items()
    }
    delivery = {**message.delivery, **told}
    moved = tx.update_message(message, message.status, delivery=delivery) or message
    shorter = replace(row, remaining=tuple(who for who in row.remaining if who not in barred))
    tx.put_outbox(shorter)
    return moved, shorter


def suppress_refused(
    desk: Desk, tx: Tx, message: Message, results: Mapping[str, RecipientResult]
) -> None:
    """Put addresses on the list that the relay calls bad by an enhanced code (RFC 3463).

    A reply code alone is not enough: it may as well be the relay that is set up wrong.
    """
    for who, result in results.items():
        status = "" if result.accepted else parse_status(result.detail)
        if status and classify_failure(result.code, status) == "hard":
            suppress(desk, tx, message, who, BOUNCE, code=result.code, detail=result.detail)
