"""Bouncing: what a delivery report may change: results of mail that we sent to that recipient.

Anybody can write a report. This one counts only if it came with an empty return path (RFC 5321
section 4.5.5) to the mailbox that sent the message, names that message's own Message-ID, of 80
random bits, and a recipient who got it; a complaint must be authenticated instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..mail.bounces import FailedRecipient, Report
from ..mail.envelope import SmtpEnvelope
from ..oversight import Direction, State
from ..store.protocol import Tx
from ..store.records import Mailbox, Message
from .desk import Desk, the_server
from .events import Kind, announce
from .suppression import BOUNCE, COMPLAINT, suppress

_SETTLED = (State.SENDING, State.SENT)


def take_report(
    desk: Desk,
    tx: Tx,
    mailbox: Mailbox,
    report: Report,
    envelope: SmtpEnvelope,
    evidence: dict[str, Any],
) -> None:
    """Let a report that came to a mailbox change what it may; most often that is nothing."""
    if report.message_id is None or not _is_credible(report, envelope, evidence):
        return
    message = tx.find_by_rfc_ids(mailbox.id, [report.message_id])
    if message is None or message.direction is not Direction.OUTBOUND:
        return
    if message.status not in _SETTLED:
        return
    for address, told in _concerned(message, report):
        if report.complaint:
            suppress(desk, tx, message, address, COMPLAINT)
            announce(tx, Kind.COMPLAINED, message, desk.now(), recipients=[address])
        else:
            message = _bounce(desk, tx, message, address, told)


def _is_credible(report: Report, envelope: SmtpEnvelope, evidence: dict[str, Any]) -> bool:
    if report.complaint:
        return (evidence.get("dmarc") or {}).get("result") == "pass"
    return envelope.mail_from == ""


def _concerned(message: Message, report: Report) -> Iterator[tuple[str, FailedRecipient]]:
    """Yield the recipients that the report names and that the message was handed over for."""
    ours = {address.lower(): address for address in message.recipients}
    for told in report.failed:
        found = next((ours.pop(one) for one in told.addresses if one in ours), None)
        if found is None:
            continue
        result = message.delivery.get(found)
        test = not message.live and message.status is State.SENT and result is None
        if test or (result and (result["accepted"] or result.get("bounced_at"))):
            yield found, told


def _bounce(desk: Desk, tx: Tx, message: Message, address: str, told: FailedRecipient) -> Message:
    """Write a bounce to its recipient's result; a soft one may harden, nothing else changes."""
    before = message.delivery.get(address) or {}
    if before.get("bounced_at") and (before.get("kind") == "hard" or told.kind == "soft"):
        return message
    now = desk.now()
    result = {
        "accepted": False,
        "code": told.code,
        "detail": told.text,
        "permanent": True,
        "enhanced": told.status or None,
        "kind": told.kind,
        "bounced_at": now.isoformat(),
    }
    hard = told.kind == "hard" or message.bounce_type == "hard"
    moved = tx.update_message(
        message,
        message.status,
        delivery={**message.delivery, address: result},
        bounced_at=message.bounced_at or now,
        bounce_type="hard" if hard else "soft",
        bounce_code=told.code,
        bounce_reason=told.text or told.status or None,
    )
    desk.audit(
        tx,
        the_server(message.account_id),
        "email.bounce",
        ("email", message.id),
        mailbox_id=message.mailbox_id,
        bounce_type=told.kind,
        code=told.code,
        enhanced=told.status or None,
    )
    if told.kind == "hard":
        suppress(desk, tx, message, address, BOUNCE, code=told.code, detail=told.text)
    bounced = moved or message
    announce(tx, Kind.BOUNCED, bounced, now, recipients=[address])
    return bounced
