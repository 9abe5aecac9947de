"""Held replies that wait in the account's Drafts: sent, edited, deleted or decided elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from email.policy import SMTP

import pytest
from tests.imap.conftest import Connect, Serve
from tests.imap.test_connected import mail
from tests.support.dovecot import Dovecot
from tests.support.server import ServerFixture, accepted
from tests.support.smtp_sink import SmtpSink

from multimail_server.store.records import TaskKind
from multimail_server.testing import VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    """The server's clock."""
    return VirtualClock(datetime.now(UTC))


@pytest.fixture
def held(connect: Connect, serve: Serve, dovecot: Dovecot, clock: VirtualClock) -> ServerFixture:
    """A server with a held reply, which is in Drafts."""
    assert connect("--handover", "draft").returncode == 0
    server = serve(clock=clock)
    dovecot.deliver(mail("Offer"))
    received = server.wait_for_message("Offer")["id"]
    accepted(server.reply(received, "Gladly."), 202)
    server.wait_until(lambda: is_watched(server))
    return server


def is_watched(server: ServerFixture) -> bool:
    """Return whether the reply was put into Drafts."""
    tasks = server.read(lambda tx: tx.connected_tasks(server.mailbox.id, 10))
    return any(task.kind is TaskKind.WATCH for task in tasks)


def take_draft(dovecot: Dovecot) -> Message:
    """Do as a mail program: take the draft out of Drafts, with another Message-ID."""
    with dovecot.client() as client:
        client.select_folder("Drafts")
        (uid,) = client.search()
        draft = message_from_bytes(
            client.fetch([uid], ["BODY.PEEK[]"])[uid][b"BODY[]"], policy=SMTP
        )
        client.delete_messages([uid])
        client.expunge()
    draft.replace_header("Message-ID", "<program@home.test>")
    return draft


def require_decision(server: ServerFixture, reply_id: str, status: str, reason: str) -> None:
    """Wait until the reply has a status; check the reason."""
    server.wait_for_status(reply_id, status)
    assert server.email(reply_id)["decision_reason"] == f"In the account's Drafts: {reason}"
    assert server.pending() == []


def test_a_draft_that_its_person_sends_is_sent_and_no_second_message(
    held: ServerFixture, dovecot: Dovecot, sink: SmtpSink
) -> None:
    (reply,) = held.pending()
    draft = take_draft(dovecot)
    assert draft["In-Reply-To"] == "<Offer@other.test>"
    dovecot.deliver(bytes(draft), "Sent")
    dovecot.deliver(mail("Wake up"))
    require_decision(held, reply["id"], "sent", "its person sent it")
    assert len(held.emails(direction="outbound")) == 1
    assert sink.messages == []


def test_a_draft_that_its_person_edits_and_sends_is_rejected_beside_what_was_sent(
    held: ServerFixture, dovecot: Dovecot, clock: VirtualClock, sink: SmtpSink
) -> None:
    draft = take_draft(dovecot)
    draft.set_payload("Never.")
    saved = dovecot.deliver(bytes(draft), "Drafts")
    clock.advance(timedelta(minutes=20))
    dovecot.deliver(mail("Look"))
    held.wait_for_message("Look")
    assert len(held.pending()) == 1
    with dovecot.client() as client:
        client.select_folder("Drafts")
        client.move([saved], "Sent")
    dovecot.deliver(mail("Wake up"))
    held.wait_until(lambda: not held.pending())
    rows = {row["status"]: row for row in held.emails(direction="outbound")}
    assert set(rows) == {"sent", "rejected"}
    assert held.email(rows["sent"]["id"])["body"].strip() == "Never."
    assert sink.messages == []


def test_a_draft_that_is_gone_for_ten_minutes_is_rejected(
    held: ServerFixture, dovecot: Dovecot, clock: VirtualClock
) -> None:
    take_draft(dovecot)
    clock.advance(timedelta(minutes=9))
    dovecot.deliver(mail("Look"))
    held.wait_for_message("Look")
    (reply,) = held.pending()
    clock.advance(timedelta(minutes=2))
    require_decision(held, reply["id"], "rejected", "its person deleted it")


def test_a_reply_that_is_approved_on_the_page_is_sent_and_its_draft_removed(
    held: ServerFixture, dovecot: Dovecot, sink: SmtpSink
) -> None:
    (item,) = held.pending()
    accepted(held.decide(item["id"]))
    assert sink.next().parsed["Subject"] == "Re: Offer"
    held.wait_until(lambda: not is_watched(held))
    assert dovecot.messages("Drafts") == []
