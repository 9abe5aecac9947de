"""The types of the client's methods, checked by mypy and never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import assert_type

from multimail import (
    AsyncMultiMail,
    Call,
    Client,
    Contact,
    Email,
    EmailSummary,
    File,
    Mailbox,
    MultiMail,
    Page,
    SendResult,
    Thread,
)
from multimail.endpoints import read_email
from multimail.models import (
    AuditEntry,
    Cancellation,
    Decision,
    NewApiKey,
    NewWebhook,
    PendingEmail,
    Tags,
)


def check_sync_results(client: MultiMail) -> None:
    assert_type(client.send_email("a@x.test", "S", "B", mailbox="mb_1"), SendResult)
    assert_type(client.reply_email("em_1", "B"), SendResult)
    assert_type(client.check_inbox(unread_only=True), Page[EmailSummary])
    assert_type(client.check_inbox()[0], EmailSummary)
    assert_type(client.read_email("em_1"), Email)
    assert_type(client.get_thread("th_1"), Thread)
    assert_type(client.wait_for_email(timeout=1), EmailSummary)
    assert_type(client.download_attachment("em_1", "a.txt"), File)
    assert_type(client.read_raw("em_1"), bytes)
    assert_type(client.tag_email("em_1", "vip"), Tags)
    assert_type(client.cancel_message("em_1"), Cancellation)
    assert_type(client.list_pending(limit=5), Page[PendingEmail])
    assert_type(client.decide_email("em_1", "approve"), Decision)
    assert_type(client.list_mailboxes(), list[Mailbox])
    assert_type(client.search_contacts("bob"), list[Contact])
    assert_type(client.create_api_key("ci", ["read"]), NewApiKey)
    assert_type(client.create_webhook("https://x.test", ["email.received"]), NewWebhook)
    assert_type(client.iter_inbox(limit=5), Iterator[EmailSummary])
    assert_type(client.iter_audit_log(), Iterator[AuditEntry])
    assert_type(client.run(read_email("em_1")), Email)
    with client as entered:
        assert_type(entered, MultiMail)


def check_aliases(client: MultiMail) -> None:
    assert_type(client.send_email("a@x.test", "S", markdown="B", from_address="mb_1"), SendResult)
    assert_type(client.reply_email(message_id="em_1", body="B"), SendResult)
    assert_type(client.reply_email("em_1", markdown="B"), SendResult)
    assert_type(client.reply_email(message_id="em_1", markdown="B"), SendResult)
    assert_type(client.read_email(message_id="em_1"), Email)
    assert_type(client.cancel_message(message_id="em_1"), Cancellation)
    assert_type(client.tag_email(message_id="em_1", tags={"a": "b"}), Tags)
    assert_type(client.decide_email(message_id="em_1", action="approve"), Decision)
    assert_type(client.decide_email(email_id="em_1", decision="approve"), Decision)
    assert_type(client.decide_email(email_id="em_1", action="approve"), Decision)


async def check_async_results(client: AsyncMultiMail) -> None:
    assert_type(client.read_email("em_1"), Awaitable[Email])
    assert_type(await client.send_email("a@x.test", "S", "B"), SendResult)
    assert_type(await client.reply_email("em_1", "B"), SendResult)
    assert_type(await client.check_inbox(), Page[EmailSummary])
    assert_type(await client.read_email("em_1"), Email)
    assert_type(await client.get_thread("th_1"), Thread)
    assert_type(await client.wait_for_email(), EmailSummary)
    assert_type(await client.download_attachment("em_1", "a.txt"), File)
    assert_type(await client.list_pending(), Page[PendingEmail])
    assert_type(await client.decide_email("em_1", "approve"), Decision)
    assert_type(await client.decide_email(message_id="em_1", action="approve"), Decision)
    assert_type(await client.list_mailboxes(), list[Mailbox])
    assert_type(client.iter_inbox(), AsyncIterator[EmailSummary])
    assert_type(await client.run(read_email("em_1")), Email)
    async with client as entered:
        assert_type(entered, AsyncMultiMail)


def check_endpoints() -> None:
    assert_type(read_email("em_1"), Call[Email])
    assert_type(Client(api_key="mm_test_1"), MultiMail)
