"""A connected mailbox: new mail arrives, replies are held, approved, sent and once in Sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

from tests.imap.conftest import Connect, Serve
from tests.support.dovecot import USER, Dovecot
from tests.support.server import ServerFixture, accepted
from tests.support.smtp_sink import SmtpSink

from multimail_server.testing import VirtualClock


def mail(subject: str, **headers: str) -> bytes:
    """Return a message to the account."""
    message = EmailMessage()
    fields = {"From": "ann@other.test", "To": USER, "Subject": subject,
              "Message-ID": f"<{subject.replace(' ', '-')}@other.test>",
              "Date": "Tue, 01 Dec 2026 09:00:00 +0000"}  # fmt: skip
    for name, value in {**fields, **headers}.items():
        message[name.replace("_", "-")] = value
    message.set_content(f"About {subject}.")
    return message.as_bytes().replace(b"\n", b"\r\n")


def wait_for_tasks(server: ServerFixture) -> None:
    """Return when nothing is left to do at the provider."""
    box = server.mailbox.id
    server.wait_until(lambda: server.read(lambda tx: not tx.connected_tasks(box, 10)))


def test_a_held_reply_leaves_by_the_account_and_is_once_in_sent(
    connect: Connect, serve: Serve, dovecot: Dovecot, sink: SmtpSink
) -> None:
    assert connect().returncode == 0
    clock = VirtualClock(datetime.now(UTC))
    server = serve(clock=clock)
    dovecot.deliver(mail("Offer"))
    received = server.wait_for_message("Offer")
    held = accepted(server.reply(received["id"], "Gladly."), 202)
    assert server.pending()[0]["id"] == held["id"]
    accepted(server.decide(held["id"]))
    sent = sink.next()
    assert (sent.mail_from, sent.recipients) == (USER, ["ann@other.test"])
    server.wait_for_status(held["id"], "sent")
    assert dovecot.messages("Sent") == []
    clock.advance(timedelta(seconds=31))
    wait_for_tasks(server)
    ((copy, flags),) = dovecot.messages("Sent")
    assert (b"In-Reply-To: <Offer@other.test>" in copy, b"\\Seen" in flags) == (True, True)
    ((_, flags),) = dovecot.messages("INBOX")
    assert b"\\Answered" in flags
