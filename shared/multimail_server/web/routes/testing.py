"""Routes for tests, for `mm_test_` keys alone: mail from outside, and what was "delivered".

They ask for `read` and no more: injecting mail needs no more right than the SMTP port does, which
anybody can reach, and what is injected is authenticated the same way; but for SPF, which judges the
client of an SMTP conversation, and there is none.
"""

from __future__ import annotations

from ...api import render
from ...api.request import Answer, Ask
from ...api.routing import LARGE_BODY, Routes
from ...mail.addresses import find_address_fault
from ...mail.envelope import SmtpEnvelope
from ...refusals import forbidden, invalid

routes = Routes()


@routes("POST", "/v1/test/inbound", "read", longest_body=LARGE_BODY)
def inject(ask: Ask) -> Answer:
    """Receive the body, a message/rfc822, as if it had come by SMTP.

    Query: `mailbox`, id or address, needed where the key sees several; `mail_from`, the envelope
    sender, empty when not given.
    """
    _only_test(ask)
    if not ask.body.strip():
        raise invalid("The body is empty; it must be a whole message (RFC 5322).")
    mail_from = ask.text("mail_from") or ""
    problem = find_address_fault(mail_from) if mail_from else None
    if problem:
        raise invalid(f"`mail_from` {problem}.")
    envelope = SmtpEnvelope(mail_from, (_recipient(ask),), "", "")
    stored = ask.room.receiving.receive(envelope, ask.body)
    rows = [render.summary(message, ask.who) for message in stored]
    return Answer({**rows[0], "emails": rows}, 201)


@routes("GET", "/v1/test/outbox", "read")
def outbox(ask: Ask) -> Answer:
    """List what test keys "delivered", newest first, with the envelope."""
    _only_test(ask)
    found = ask.room.reading.test_deliveries(ask.who, ask.number("limit", 100, 1, 100))
    rows = [render.test_delivery(delivery, message) for delivery, message in found]
    return Answer({"emails": rows, "messages": rows})


@routes("GET", "/v1/test/outbox/{email}/raw", "read")
def outbox_raw(ask: Ask) -> Answer:
    """The bytes that would have been transmitted, as text."""
    _only_test(ask)
    raw = ask.room.reading.test_delivery_raw(ask.who, ask.path["email"])
    return Answer(content=raw, media_type="text/plain; charset=utf-8")


def _only_test(ask: Ask) -> None:
    if ask.who.live:
        raise forbidden("test_keys_only", "This route is for mm_test_ keys; this key is live.")


def _recipient(ask: Ask) -> str:
    which = ask.text("mailbox")
    if which is not None:
        return ask.room.mailboxes.get(ask.who, which).address
    found = ask.room.mailboxes.all(ask.who)
    if len(found) != 1:
        raise invalid(f"`mailbox` is missing: this key sees {len(found)} mailboxes.")
    return found[0].address
