"""Records for the tests of the store, with every kind of value that a row can hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from multimail_server.oversight import Direction, Mode, State
from multimail_server.store.protocol import Tx
from multimail_server.store.records import (
    Account,
    ApprovalLink,
    Attachment,
    AuditEntry,
    Contact,
    Content,
    DeliveryStatus,
    Domain,
    IdempotencyRow,
    Key,
    LoggedEvent,
    Mailbox,
    Message,
    MessageReference,
    Notification,
    OneTimeCode,
    OutboxRow,
    Purpose,
    ReferenceKind,
    Revision,
    SignedHeaders,
    Suppression,
    Tag,
    TestDelivery,
    Webhook,
    WebhookDelivery,
    WebhookSource,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
WORDS = "Grüße, 漢字 \U0001f4e7 'quoted' \"twice\" %_\\"


def hours(count: float) -> datetime:
    """Return the moment so many hours after `NOW`."""
    return NOW + timedelta(hours=count)


ACCOUNT = Account("acc_1", WORDS, NOW)
MAILBOX = Mailbox(
    "mbx_1", "acc_1", "box@example.com", WORDS, Mode.GATED_SEND, NOW, {"auto_cc": ["a@b.example"]}
)
KEY = Key("key_1", "acc_1", "agent", "mm_test_x", "5ha", ("read", "send"), live=False,
          created_at=NOW)  # fmt: skip
WEBHOOK = Webhook(
    "whk_1", "acc_1", "https://example.com/", ("message.sent",), "a secret", "hex",
    WebhookSource.SUBSCRIPTION, NOW,
)  # fmt: skip
CODE = OneTimeCode("otc_1", "acc_1", Purpose.CHANGE, "key_1", "5ha", hours(1), hours(2))
NOTIFICATION = Notification(
    "ntc_1", "acc_1", "mbx_1", "monitored_send", NOW, "msg_0001", {"subject": WORDS},
    ("a@example.com",), hours(1),
)  # fmt: skip
DOMAIN = Domain(
    "dom_1", "acc_1", "example.com", "mm", "rsa", "record", "ed", "record", NOW,
    seen={"spf": "found"},
)  # fmt: skip
SUPPRESSION = Suppression("acc_1", "a@example.com", "sup_1", "bounce", NOW, code=550)
REVISION = Revision(
    "msg_0001", 1, "hash", ("a@example.com",), (), ("a@example.com",), WORDS, "text",
    b"\x00\xff", hours(1), "key_1",
)  # fmt: skip
TAG = Tag("msg_0001", "a", "b", "unknown")
LINK = ApprovalLink("5ha", "msg_0001", "hash", "key_1", NOW, hours(1))


def insert_owner(tx: Tx) -> None:
    """Insert what every message refers to: an account, a mailbox and a key."""
    tx.put(ACCOUNT)
    tx.put(MAILBOX)
    tx.put(KEY)


def message(number: int, **changes: Any) -> Message:
    """Return an outbound message that awaits a decision; ids sort by `number`."""
    fields: dict[str, Any] = {
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
    return Message(**{**fields, **changes})


def content(number: int) -> Content:
    """Return the content of a message, with bytes that are not text."""
    return Content(
        f"msg_{number:04}", WORDS, b"\x00\xff\r\n", ("a hidden line",), ("html_version",)
    )


def insert(tx: Tx, *messages: Message) -> None:
    """Insert messages, each with its content."""
    for record in messages:
        tx.insert_message(record, content(int(record.id.rpartition("_")[2])))


def attachment(number: int, position: int) -> Attachment:
    """Return an attachment of a message."""
    name = f"att_{number}_{position}"
    return Attachment(name, f"msg_{number:04}", position, WORDS, "text/plain", 2, "5ha", "<cid>")


def contact(number: int, email: str, name: str | None = None, label: str | None = None) -> Contact:
    """Return an entry of the address book."""
    return Contact(f"con_{number}", "acc_1", email, name, ("a tag",), NOW, label=label)


def audit(number: int, mailbox_id: str | None = "mbx_1") -> AuditEntry:
    """Return a line of the audit log."""
    return AuditEntry(f"aud_{number}", "acc_1", "email.send", "email", "msg_1", NOW,
                      mailbox_id, "key_1", {"recipients": 2})  # fmt: skip


def idempotency(key: str, number: int, at: datetime = NOW) -> IdempotencyRow:
    """Return the idempotency key of a send."""
    return IdempotencyRow("mbx_1", key, "print", f"msg_{number:04}", at)


def outbox(number: int, due: datetime = NOW) -> OutboxRow:
    """Return a message that waits for the relay."""
    return OutboxRow(f"msg_{number:04}", due, 2, ("a@example.com",), "it was away")


def delivery(number: int) -> TestDelivery:
    """Return a delivery with a test key."""
    return TestDelivery(f"msg_{number:04}", "acc_1", "mbx_1", "box@example.com",
                        ("a@example.com",), hours(number))  # fmt: skip


def reference(number: int, rfc_id: str, kind: str = "parent", thread: str = "1") -> Any:
    """Return what a Message-ID that no message has leads to."""
    return MessageReference(
        "mbx_1", rfc_id, ReferenceKind(kind), f"thr_{thread}", f"msg_{number:04}"
    )


def duplicate_key() -> Key:
    """Return another key with the same digest."""
    return replace(KEY, id="key_2")


def webhook_delivery(number: int, due: float | None, hook: str = "whk_1") -> WebhookDelivery:
    """Return a delivery of a webhook: pending if `due` is given, else delivered."""
    status = DeliveryStatus.DELIVERED if due is None else DeliveryStatus.PENDING
    return WebhookDelivery(
        f"evt_{number}", hook, "acc_1", "mbx_1", "msg_0001", "message.sent", status, NOW,
        None if due is None else hours(due),
    )  # fmt: skip


def event(number: int, kind: str = "message.sent", at: datetime = NOW) -> LoggedEvent:
    """Return an event of the log that has no position yet."""
    return LoggedEvent("acc_1", "mbx_1", f"msg_{number:04}", kind, at, {"subject": WORDS})


def everything(tx: Tx) -> None:
    """Insert a row into every table. The dumps of `test_store_old_data` hold these."""
    tx.set_setting("name", WORDS)
    insert(tx, message(1), message(2, replies_to_id="msg_0001"))
    tx.put(reference(1, "<0@example.com>"))
    tx.insert_attachment(attachment(1, 0), b"file")
    tx.set_tags("msg_0001", [TAG])
    tx.put(idempotency("key", 1))
    tx.put(outbox(2))
    tx.put(delivery(1))
    tx.insert(REVISION)
    tx.put(LINK)
    tx.put(SignedHeaders("msg_0001", b"\x00head"))
    tx.put(NOTIFICATION)
    tx.put(contact(1, "a@example.com"))
    tx.put(WEBHOOK)
    tx.insert_webhook_delivery(webhook_delivery(1, 1), b"body")
    tx.insert(audit(1))
    tx.put(CODE)
    tx.put(DOMAIN)
    tx.insert(event(1))
    tx.put(SUPPRESSION)
    tx.add_approved_recipients("mbx_1", ["a@example.com"])
