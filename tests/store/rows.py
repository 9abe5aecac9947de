"""Rows for the store's contract: each with everything in it that a row can hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from multimail_server.oversight import Direction, Mode, State
from multimail_server.store.protocol import Tx
from multimail_server.store.records import (
    Account,
    Attachment,
    AuditEntry,
    Contact,
    Content,
    IdempotencyRow,
    Key,
    Mailbox,
    Message,
    OutboxRow,
    TestDelivery,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
WORDS = "Grüße, 漢字 \U0001f4e7 'quoted' \"twice\" %_\\"
ACCOUNT = Account("acc_1", WORDS, NOW)
MAILBOX = Mailbox(
    "mbx_1", "acc_1", "box@example.com", WORDS, Mode.GATED_SEND, NOW, {"auto_cc": ["a@b.example"]}
)
KEY = Key("key_1", "acc_1", "agent", "mm_test_x", "5ha", ("read", "send"), live=False,
          created_at=NOW)  # fmt: skip


def hours(count: float) -> datetime:
    """Return the moment so many hours after the rows were made."""
    return NOW + timedelta(hours=count)


def found(tx: Tx) -> None:
    """Put down what every message refers to."""
    tx.put_account(ACCOUNT)
    tx.put_mailbox(MAILBOX)
    tx.put_key(KEY)


def message(number: int, **more: Any) -> Message:
    """Return an outbound message that awaits its decision; ids sort by `number`."""
    facts: dict[str, Any] = {
        "id": f"msg_{number:04}",
        "account_id": "acc_1",
        "mailbox_id": "mbx_1",
        "thread_id": "thr_1",
        "direction": Direction.OUTBOUND,
        "status": State.PENDING_SEND_APPROVAL,
        "mode": Mode.GATED_SEND,
        "created_at": hours(number),
        "from_address": "box@example.com",
        "from_name": WORDS,
        "to": ("a@example.com", "b@example.com"),
        "cc": (),
        "bcc": ("c@example.com",),
        "reply_to": (),
        "subject": f"{WORDS} {number}",
        "has_attachments": False,
        "mail_from": "box@example.com",
        "recipients": ("a@example.com", "b@example.com", "c@example.com"),
        "size": 3,
        "raw_sha256": f"raw {number}",
        "rfc_message_id": f"<{number}@example.com>",
        "refs": ("<0@example.com>",),
        "composer_key_id": "key_1",
        "fingerprint": f"print {number}",
        "expires_at": hours(number + 72),
        "authentication": {"dkim": [{"result": "pass"}]},
        "metadata": {"run": WORDS},
        "delivery": {"a@example.com": {"accepted": True, "code": 250}},
    }
    return Message(**{**facts, **more})


def content(number: int) -> Content:
    """Return a message's content, with bytes that are no text."""
    return Content(f"msg_{number:04}", WORDS, b"\x00\xff\r\n", ("a hidden line",))


def insert(tx: Tx, *messages: Message) -> None:
    """Insert messages, each with its content."""
    for one in messages:
        tx.insert_message(one, content(int(one.id.rpartition("_")[2])))


def attachment(number: int, position: int) -> Attachment:
    """Return a file of a message."""
    name = f"att_{number}_{position}"
    return Attachment(name, f"msg_{number:04}", position, WORDS, "text/plain", 2, "5ha", "<cid>")


def contact(number: int, email: str, name: str | None = None) -> Contact:
    """Return an entry of the address book."""
    return Contact(f"con_{number}", "acc_1", email, name, ("a tag",), NOW)


def audit(number: int, mailbox_id: str | None = "mbx_1") -> AuditEntry:
    """Return a line of the audit log."""
    return AuditEntry(f"aud_{number}", "acc_1", "email.send", "email", "msg_1", NOW,
                      mailbox_id, "key_1", {"recipients": 2})  # fmt: skip


def idempotency(key: str, number: int, at: datetime = NOW) -> IdempotencyRow:
    """Return what is remembered of a send."""
    return IdempotencyRow("mbx_1", key, "print", f"msg_{number:04}", at)


def outbox(number: int, due: datetime = NOW) -> OutboxRow:
    """Return a message that waits to leave."""
    return OutboxRow(f"msg_{number:04}", due, 2, ("a@example.com",), "it was away")


def delivery(number: int) -> TestDelivery:
    """Return what a test key delivered."""
    return TestDelivery(f"msg_{number:04}", "acc_1", "mbx_1", "box@example.com",
                        ("a@example.com",), hours(number))  # fmt: skip


def same_secret_again() -> Key:
    """Return another key with the digest of the first."""
    return replace(KEY, id="key_2")
