"""Daily caps on what a client's guard lets through without a human, counted here.

So neither a restart of the client nor a second process starts the count again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from multimail.trust.daily_caps import DailyCaps
from multimail.trust.reasons import describe_for_approver

from ..mail.auth.alignment import get_registered_domain
from ..oversight import Mode
from ..store.protocol import Tx
from ..store.records import FreeSend, Message

CAP_WINDOW = timedelta(hours=24)
"""How long a message counts."""
CODE_KEY = "guard_code"
"""The metadata of a held message that says why, as the code of a reason."""


def apply_daily_caps(tx: Tx, message: Message, caps: DailyCaps) -> Message:
    """Return a new message as it is, or held if one of its recipients got as much as it may.

    Args:
        tx: The transaction that accepts it.
        message: Not stored yet.
        caps: What the client's guard allows. It let the message through.
    """
    if message.mode not in (Mode.MONITORED, Mode.AUTONOMOUS):
        return message
    since = message.created_at - CAP_WINDOW
    for name, cap, code in caps.list_counted(message.recipients, get_registered_domain):
        if tx.count_free_sends(message.mailbox_id, name, since) >= cap:
            reason = describe_for_approver(code, name.removeprefix("@"))
            why = {"guard_action": "hold", CODE_KEY: code, "guard_reasons": reason}
            return replace(message, mode=Mode.GATED_SEND, metadata={**message.metadata, **why})
    return message


def recount_free_send(tx: Tx, before: Message, after: Message, now: datetime) -> None:
    """Count an edited message for its new recipients, if it counted for the earlier ones.

    Args:
        tx: The transaction that changes it.
        before: The message as it was counted.
        after: The message as it leaves now.
        now: When the new recipients' day begins.
    """
    counted, names = _list_names(before), _list_names(after)
    if counted == names or not tx.free_sends(before.mailbox_id, before.id, counted):
        return
    for name in names:
        if name not in counted:
            tx.insert(FreeSend(after.mailbox_id, name, after.id, now))


def _list_names(message: Message) -> list[str]:
    caps = DailyCaps(0, 0)
    return [entry.name for entry in caps.list_counted(message.recipients, get_registered_domain)]


def record_free_send(tx: Tx, message: Message, caps: DailyCaps) -> None:
    """Count a message that was stored and that no human decides on."""
    if message.mode not in (Mode.MONITORED, Mode.AUTONOMOUS):
        return
    tx.purge_free_sends(message.created_at - CAP_WINDOW)
    for name, _, _ in caps.list_counted(message.recipients, get_registered_domain):
        tx.insert(FreeSend(message.mailbox_id, name, message.id, message.created_at))
