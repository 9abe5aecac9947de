"""Automatic forwarding (`forward_inbound`): inbound mail goes on to addresses set by the owner.

A forward is a message of the server itself: no key composed it and it needs no decision, since an
owner's key named its recipients. Its API fields hold no text of the original sender; its bytes do.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from ..auth import Principal
from ..clock import derived_id
from ..errors import conflict, forbidden, invalid
from ..mail.addresses import to_mailbox_address
from ..mail.forwarding import add_resent_headers, forward_blocked_reason
from ..oversight import Direction, Mode, State
from ..store.protocol import Tx
from ..store.records import AuditEntry, Content, Mailbox, Message
from .context import AppContext

SETTING = "forward_inbound"
_LIVE = "forward_live"


def forwarding_settings(
    context: AppContext, principal: Principal, address: str, settings: dict[str, Any]
) -> dict[str, Any]:
    """Return a mailbox's new settings, with the kind of key (live or test) that set the recipients.

    Forwards that a test key set up stay in the test outbox.

    Args:
        context: The application's context.
        principal: The key that changes the settings.
        address: The address of the mailbox.
        settings: The changed settings.
    Raises:
        ApiError: The recipients are missing or the mailbox itself (400), the key can send (403),
            or a live key's mail has no relay (409).
    """
    if SETTING not in settings:
        return settings
    addresses = settings[SETTING]
    if addresses is True:
        raise invalid("`forward_inbound` needs a list of addresses to forward to.")
    if not addresses:
        return {**settings, SETTING: None, _LIVE: None}
    if any(to_mailbox_address(target) == address for target in addresses):
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
    """Return whether the mailbox forwards its inbound mail."""
    return bool(mailbox.settings.get(SETTING))


def build_forward(tx: Tx, moved: Message, now: datetime) -> tuple[Message, Content] | None:
    """Return the forward of a message that just became visible; None if it isn't forwarded.

    `transitions` calls it and creates the message. The audit log records each forward, and each
    reason for none.
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
    blocked_reason = forward_blocked_reason(content.raw, moved.mail_from, mailbox.address)
    if blocked_reason is not None:
        _note(tx, moved, now, outcome="not_forwarded", reason=blocked_reason)
        return None
    forward, raw = _forward(moved, mailbox, forward_id, content.raw, now)
    text = f"{moved.id} was forwarded unchanged; the raw bytes of this message hold it."
    _note(tx, moved, now, forward=forward.id, recipients=len(forward.recipients))
    return forward, Content(forward.id, text, raw)


def _forward(
    original: Message, mailbox: Mailbox, forward_id: str, received: bytes, now: datetime
) -> tuple[Message, bytes]:
    to = tuple(mailbox.settings[SETTING])
    own = f"<{forward_id}@{mailbox.address.rpartition('@')[2]}>"
    raw = add_resent_headers(received, by=mailbox.address, to=to, message_id=own, moment=now)
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
    tx.insert(
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
