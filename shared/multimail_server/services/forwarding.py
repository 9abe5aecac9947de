"""Forwarding: mail that is shown in a mailbox is sent on to whom its owner has set it up for.

It is a message of the server's own: no key composed it, and nobody decides on it, since an owner's
key named its recipients. What an agent can read of it in the API says nothing that a stranger
wrote; the bytes do.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from ..clock import derived_id
from ..errors import conflict, forbidden, invalid
from ..mail.addresses import base_of
from ..mail.forwarding import resent, why_not_resend
from ..oversight import Direction, Mode, State
from ..store.protocol import Tx
from ..store.records import AuditEntry, Content, Mailbox, Message
from .context import AppContext, Principal

SETTING = "forward_inbound"
_LIVE = "forward_live"


def forwarding_settings(
    context: AppContext, principal: Principal, address: str, settings: dict[str, Any]
) -> dict[str, Any]:
    """Return a mailbox's new settings, with whose kind of key named the recipients.

    What a test key set up stays in the test outbox.

    Args:
        context: The application's context.
        principal: The key that sets it.
        address: The mailbox's.
        settings: What is to change.
    Raises:
        ApiError: The recipients are missing or the mailbox itself (400), the key can send (403),
            or a live key's mail has no way out (409).
    """
    if SETTING not in settings:
        return settings
    wanted = settings[SETTING]
    if wanted is True:
        raise invalid("`forward_inbound` needs the addresses that mail is to be forwarded to.")
    if not wanted:
        return {**settings, SETTING: None, _LIVE: None}
    if any(base_of(one) == address for one in wanted):
        raise invalid("`forward_inbound` names the mailbox itself.")
    if "send" in principal.scopes:
        raise forbidden(
            "forwarding_refused",
            "A key with the scope send cannot set `forward_inbound`: it would send without a "
            "decision. Use the account's admin key.",
        )
    if principal.live and not context.has_relay:
        raise conflict(
            "no_relay",
            "`forward_inbound` was not set: a live key's mail is handed to an SMTP relay, and this "
            "server has none. Start it with --relay smtp://…, or use a test key.",
        )
    return {**settings, _LIVE: principal.live}


def forwards(mailbox: Mailbox) -> bool:
    """Return whether what is shown in a mailbox is sent on."""
    return bool(mailbox.settings.get(SETTING))


def build_forward(tx: Tx, moved: Message, now: datetime) -> tuple[Message, Content] | None:
    """Return the forward of a message that has just been shown, once; None if there is none.

    Only `steps` calls it, and lets what it returns go. A line of the audit log tells of
    each forward, and why there was none.
    """
    if moved.direction is not Direction.INBOUND or moved.status is not State.UNREAD:
        return None
    mailbox = tx.mailbox(moved.mailbox_id)
    if mailbox is None or not forwards(mailbox):
        return None
    forward_id = derived_id("msg", moved.created_at, 0, "forward", moved.id)
    content = tx.content(moved.id)
    if content is None or tx.message(forward_id) is not None:
        return None
    obstacle = why_not_resend(content.raw, moved.mail_from, mailbox.address)
    if obstacle is not None:
        _note(tx, moved, now, transition="not_forwarded", reason=obstacle)
        return None
    forward, raw = _forward(moved, mailbox, forward_id, content.raw, now)
    text = f"{moved.id} was forwarded as it came in; its exact bytes are those of this message."
    _note(tx, moved, now, forward=forward.id, recipients=len(forward.recipients))
    return forward, Content(forward.id, text, raw)


def _forward(
    original: Message, mailbox: Mailbox, forward_id: str, received: bytes, now: datetime
) -> tuple[Message, bytes]:
    to = tuple(mailbox.settings[SETTING])
    own = f"<{forward_id}@{mailbox.address.rpartition('@')[2]}>"
    raw = resent(received, by=mailbox.address, to=to, message_id=own, moment=now)
    message = Message(
        id=forward_id,
        account_id=original.account_id,
        mailbox_id=mailbox.id,
        thread_id=derived_id("thr", now, 0, "forward", original.id),
        direction=Direction.OUTBOUND,
        status=State.PENDING_SCAN,
        mode=Mode.AUTONOMOUS,
        created_at=now,
        from_address=mailbox.address,
        from_name="",
        to=to,
        cc=(),
        bcc=(),
        reply_to=(),
        subject=f"Forward of {original.id}",
        has_attachments=False,
        mail_from=mailbox.address,
        recipients=tuple({address.lower(): address for address in to}.values()),
        size=len(raw),
        raw_sha256=hashlib.sha256(raw).hexdigest(),
        rfc_message_id=own,
        live=mailbox.settings.get(_LIVE) is True,
    )
    return message, raw


def _note(tx: Tx, message: Message, now: datetime, **metadata: Any) -> None:
    tx.add_audit(
        AuditEntry(
            id=derived_id("aud", now, 0, "forward", message.id),
            account_id=message.account_id,
            action="email.forward",
            resource_type="email",
            resource_id=message.id,
            created_at=now,
            mailbox_id=message.mailbox_id,
            metadata=metadata,
        )
    )
