"""Drafts: what a caller asks to send, and the digests that recognise it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..mail.compose import OutgoingAttachment
from ..oversight import Mode
from ..store.records import Mailbox, Message


@dataclass(frozen=True, slots=True)
class Draft:
    """What a caller asks to send. Addresses are valid and texts within their limits."""

    to: tuple[str, ...]
    subject: str
    markdown: str
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    attachments: tuple[OutgoingAttachment, ...] = ()
    idempotency_key: str | None = None
    send_at: datetime | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    mode: Mode | None = None
    """A mode for this message alone; only a stricter one than the mailbox's is taken."""
    gate_timing: str | None = None
    """`gate_first` or `schedule_first`; None for the mailbox's own."""
    answers: Message | None = None
    """The message that this one replies to."""


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's one JSON form, in hex."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint(draft: Draft) -> str:
    """Return a digest of the request, equal for two requests that would send the same.

    What goes to the reviewer, metadata and a stricter mode, is left out: a client's guard may
    have learned more before it tries again, and the message is the same one.
    """
    return digest(
        {
            "to": _addresses(draft.to),
            "cc": _addresses(draft.cc),
            "bcc": _addresses(draft.bcc),
            "subject": draft.subject,
            "markdown": draft.markdown,
            "attachments": [
                [file.name, file.content_type, hashlib.sha256(file.content).hexdigest()]
                for file in draft.attachments
            ],
            "send_at": draft.send_at.isoformat() if draft.send_at else None,
            "answers": draft.answers.id if draft.answers else None,
        }
    )


def _addresses(addresses: Iterable[str]) -> list[str]:
    return sorted({address.lower() for address in addresses})


def content_hash(message: Message, markdown: str, files: Iterable[str]) -> str:
    """Return the digest that a decision names: everything that the recipients would get.

    Args:
        message: The message with its envelope.
        markdown: Its text.
        files: The SHA-256 of each attachment, in order.
    """
    return digest(
        {
            "mailbox": message.mailbox_id,
            "from": message.from_address,
            "mail_from": message.mail_from,
            "to": message.to,
            "cc": message.cc,
            "bcc": message.bcc,
            "reply_to": message.reply_to,
            "recipients": message.recipients,
            "subject": message.subject,
            "markdown": markdown,
            "attachments": list(files),
            "raw": message.raw_sha256,
            "send_at": message.send_at.isoformat() if message.send_at else None,
        }
    )


def get_envelope_recipients(draft: Draft, mailbox: Mailbox) -> tuple[str, ...]:
    """Return everyone who gets the message, each once, the mailbox's own copies included."""
    everyone = (*draft.to, *draft.cc, *draft.bcc, *auto_copies(mailbox, "auto_cc"))
    unique = {
        address.lower(): address for address in (*everyone, *auto_copies(mailbox, "auto_bcc"))
    }
    return tuple(unique.values())


def auto_copies(mailbox: Mailbox, setting: str) -> tuple[str, ...]:
    """Return the addresses that the mailbox adds to every send, under `auto_cc` or `auto_bcc`."""
    value = mailbox.settings.get(setting) or []
    return (value,) if isinstance(value, str) else tuple(value)


def add_signature(draft: Draft, mailbox: Mailbox) -> str:
    """Return the text that leaves: the caller's, then the mailbox's signature and disclosure."""
    parts = [draft.markdown.rstrip("\n")] if mailbox.settings else [draft.markdown]
    if mailbox.settings.get("signature_block"):
        parts.append(f"-- \n{mailbox.settings['signature_block']}")
    if mailbox.settings.get("ai_disclosure") is True:
        parts.append("*This message was written with the help of an AI agent.*")
    return "\n\n".join(parts) if len(parts) > 1 else draft.markdown
