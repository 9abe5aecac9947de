"""Addresses that bounced, complained or unsubscribed get no mail, and the sender learns it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support.server import Json, ServerFixture, Start, refusal
from tests.support.smtp_sink import SmtpSink

from multimail_server.mail.signing import generate_key, sign_dkim, zone_lines

PUBLIC = "https://mail.own.example"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def autonomous(start: Start, relay: SmtpSink) -> ServerFixture:
    """A live server whose first mailbox sends without asking."""
    return start(live=True, relay=relay.url, oversight_mode="autonomous", public_url=PUBLIC)


def results(mail: Json) -> dict[str, str]:
    return {row["address"]: row["status"] for row in mail["recipients"]}


def suppressed(server: ServerFixture) -> list[tuple[str, str]]:
    rows = server.admin.get("/v1/suppression").json()["suppressions"]
    return [(row["address"], row["reason"]) for row in rows]


def unsubscribe_link(raw: bytes, server: ServerFixture | None = None) -> str:
    """Return the link of a message; with a server, as its proxy passes it on."""
    folded = raw.replace(b"\r\n ", b" ")
    match = re.search(rb"(?m)^List-Unsubscribe: <([^>]+)>", folded)
    assert match is not None
    link = match[1].decode()
    return link if server is None else link.replace(PUBLIC, server.url)


def dsn(message_id: str, failed: str, status: str = "5.1.1", action: str = "failed") -> bytes:
    code = "550" if status.startswith("5") else "450"
    return f"""From: MAILER-DAEMON@mx.test
Subject: Undelivered Mail
Message-ID: <{status}.{action}.{failed}@mx.test>
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.test

Final-Recipient: rfc822; {failed}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {code} {status} no such user
--b
Content-Type: text/rfc822-headers

Message-ID: {message_id}
--b--
""".replace("\n", "\r\n").encode()


def returned(server: ServerFixture, report: bytes, *, sender: str = "") -> None:
    """Receive a report by SMTP."""
    server.receive(report, subject="Undelivered Mail", sender=sender)


def delivered(server: ServerFixture, relay: SmtpSink, *to: str) -> Json:
    sent = server.sent(*to)["id"]
    relay.next()
    return server.wait_for_status(sent, "sent")


def test_a_hard_bounce_suppresses(autonomous: ServerFixture, relay: SmtpSink) -> None:
    sent = delivered(autonomous, relay, "ann@other.test", "ben@other.test")
    returned(autonomous, dsn(sent["rfc_message_id"], "Ann@Other.test"))
    row = autonomous.wait_for_status(sent["id"], "sent")
    assert (row["bounce_type"], row["bounce_code"]) == ("hard", 550)
    assert row["bounced_at"]
    assert "no such user" in row["bounce_reason"]
    assert results(row) == {"ann@other.test": "bounced", "ben@other.test": "delivered"}
    assert suppressed(autonomous) == [("ann@other.test", "bounce")]
    refused = autonomous.send("ANN@other.test")
    assert refusal(refused) == (409, "recipient_suppressed")
    row = refused.json()["recipients"][0]
    assert (row["address"], row["status"]) == ("ANN@other.test", "suppressed")
    assert "bounced" in row["text"]


def test_soft_bounce_suppresses_no_address_and_may_harden(
    autonomous: ServerFixture, relay: SmtpSink
) -> None:
    sent = delivered(autonomous, relay, "ann@other.test")
    returned(autonomous, dsn(sent["rfc_message_id"], "ann@other.test", "4.2.2"))
    row = autonomous.wait_for_status(sent["id"], "sent")
    assert (row["bounce_type"], row["bounce_code"]) == ("soft", 450)
    assert suppressed(autonomous) == []
    returned(autonomous, dsn(sent["rfc_message_id"], "ann@other.test"))
    assert autonomous.wait_for_status(sent["id"], "sent")["bounce_type"] == "hard"
    returned(autonomous, dsn(sent["rfc_message_id"], "ann@other.test", "4.4.7"))
    assert autonomous.wait_for_status(sent["id"], "sent")["bounce_type"] == "hard"


@pytest.mark.parametrize(("sender", "kind"), [("", "hard"), ("mallory@evil.test", None)])
def test_a_bounce_in_words_that_names_the_relay_s_id(
    start: Start, relay: SmtpSink, sender: str, kind: str | None
) -> None:
    relay.answer = "250 Ok 0102018f00000001-1a2b3c4d-000000"
    server = start(live=True, relay=relay.url, oversight_mode="autonomous")
    sent = delivered(server, relay, "Ann@other.test", "bob@other.test")
    report = (
        "From: MAILER-DAEMON@mx.test\r\nSubject: Undelivered Mail\r\n\r\nNobody there:\r\n\r\n"
        "<ann@other.test>:\r\n550 5.1.1 refused\r\n\r\n--- the original message:\r\n\r\n"
        "Message-ID: <0102018f00000001-1a2b3c4d-000000@eu-west-1.relay.test>\r\n"
    )
    returned(server, report.encode(), sender=sender)
    row = server.wait_for_status(sent["id"], "sent")
    assert row["bounce_type"] == kind
    assert [reason for _, reason in suppressed(server)] == ["bounce"] * (kind is not None)


@pytest.mark.parametrize("case", ["sender", "recipient", "message", "mailbox", "delay", "policy"])
def test_a_report_that_is_not_about_our_mail_does_nothing(
    autonomous: ServerFixture, relay: SmtpSink, case: str
) -> None:
    sent = delivered(autonomous, relay, "ann@other.test")
    ours = sent["rfc_message_id"]
    if case == "sender":
        returned(autonomous, dsn(ours, "ann@other.test"), sender="mallory@evil.test")
    elif case == "recipient":
        returned(autonomous, dsn(ours, "boss@other.test"))
    elif case == "message":
        returned(autonomous, dsn("<guessed@multimail.test>", "ann@other.test"))
    elif case == "delay":
        returned(autonomous, dsn(ours, "ann@other.test", action="delayed"))
    elif case == "mailbox":
        to = autonomous.create_mailbox("second")["address"]
        report = dsn(ours, "ann@other.test")
        autonomous.receive(report, subject="Undelivered Mail", sender="", to=to)
    else:
        returned(autonomous, dsn(ours, "ann@other.test", "5.7.1"))
    row = autonomous.wait_for_status(sent["id"], "sent")
    assert row["bounce_type"] == ("soft" if case == "policy" else None)
    assert suppressed(autonomous) == []


def test_a_report_about_mail_that_did_not_leave_does_nothing(start: Start) -> None:
    server = start()
    sent = server.sent("ann@other.test")
    held = server.wait_for_status(sent["id"], "pending_send_approval")
    returned(server, dsn(held["rfc_message_id"], "ann@other.test"))
    assert server.wait_for_status(sent["id"], "pending_send_approval")["bounced_at"] is None
    assert suppressed(server) == []


def arf(message_id: str, recipient: str) -> bytes:
    """Return a complaint in the form of RFC 5965."""
    return f"""From: fbl@provider.test
Subject: Undelivered Mail
Message-ID: <{recipient}@provider.test>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

Somebody called this spam.
--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: FBL/1
Version: 1
Original-Rcpt-To: {recipient}
--b
Content-Type: message/rfc822

Message-ID: {message_id}

Body
--b--
""".replace("\n", "\r\n").encode()


@pytest.mark.parametrize("signed", [True, False])
def test_only_an_authenticated_complaint_suppresses(
    start: Start, relay: SmtpSink, tmp_path: Path, signed: bool
) -> None:
    key, record = generate_key()
    zone = tmp_path / "dns.zone"
    zone.write_text(
        zone_lines(
            [
                ("s._domainkey.provider.test", record),
                ("_dmarc.provider.test", "v=DMARC1; p=reject"),
            ]
        )
    )
    server = start(live=True, relay=relay.url, oversight_mode="autonomous", dns_zone=zone)
    sent = delivered(server, relay, "ann@other.test")
    report = arf(sent["rfc_message_id"], "ann@other.test")
    if signed:
        report = sign_dkim(report, domain="provider.test", selector="s", private_key_pem=key)
    returned(server, report, sender="fbl@provider.test")
    assert suppressed(server) == ([("ann@other.test", "complaint")] if signed else [])
    assert server.wait_for_status(sent["id"], "sent")["bounced_at"] is None


def test_a_bounce_can_be_tried_with_test_keys(start: Start) -> None:
    server = start(oversight_mode="autonomous")
    sent = server.sent("ann@other.test")
    left = server.wait_for_status(sent["id"], "sent")
    returned(server, dsn(left["rfc_message_id"], "ann@other.test"))
    assert results(server.wait_for_status(sent["id"], "sent")) == {"ann@other.test": "bounced"}
    assert server.send("ann@other.test").json()["code"] == "recipient_suppressed"


def test_a_key_of_one_mailbox_does_not_change_the_accounts_list(autonomous: ServerFixture) -> None:
    key = autonomous.create_key("admin", mailbox_id=autonomous.mailbox.id)["key"]
    bound = autonomous.http(key)
    for reply in (bound.get("/v1/suppression"), bound.delete("/v1/suppression/a%40b.test")):
        assert refusal(reply) == (403, "bound_key")


def test_other_recipients_get_it_and_the_sender_is_notified(
    autonomous: ServerFixture, relay: SmtpSink
) -> None:
    sent = delivered(autonomous, relay, "ann@other.test")
    returned(autonomous, dsn(sent["rfc_message_id"], "ann@other.test"))
    answer = autonomous.sent("ann@other.test", "ben@other.test")
    assert answer["suppressed"] == ["ann@other.test"]
    assert relay.next().recipients == ["ben@other.test"]
    row = autonomous.wait_for_status(answer["id"], "sent")
    assert results(row) == {"ann@other.test": "suppressed", "ben@other.test": "delivered"}
    assert row["bounced_at"] is None


def test_a_recipient_suppressed_while_a_message_waits_gets_nothing(
    start: Start, relay: SmtpSink
) -> None:
    server = start(live=True, relay=relay.url, public_url=PUBLIC)
    first, second = (server.sent("ann@other.test")["id"] for _ in range(2))
    server.decide(first)
    assert httpx.post(unsubscribe_link(relay.next().raw, server), data=ONE_CLICK).status_code == 200
    item = server.pending()[0]
    assert (item["id"], item["suppressed"]) == (second, ["ann@other.test"])
    server.decide(second)
    row = server.wait_for_status(second, "send_failed")
    assert row["bounce_type"] == "suppressed"
    assert results(row) == {"ann@other.test": "suppressed"}
    assert "unsubscribed" in row["bounce_reason"]
    assert len(relay.messages) == 1


def test_one_click_unsubscribes_and_a_get_does_not(
    autonomous: ServerFixture, relay: SmtpSink
) -> None:
    autonomous.send("ann@other.test")
    raw = relay.next().raw
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in raw
    link = unsubscribe_link(raw, autonomous)
    page = httpx.get(link)
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "ann@other.test" in page.text
    assert httpx.head(link).status_code == 200
    assert suppressed(autonomous) == []
    for _ in range(2):
        assert httpx.post(link, data=ONE_CLICK).status_code == 200
    assert suppressed(autonomous) == [("ann@other.test", "unsubscribe")]
    assert "gets no more mail" in httpx.get(link).text


def test_a_link_of_several_recipients_asks_for_the_address(
    autonomous: ServerFixture, relay: SmtpSink
) -> None:
    autonomous.send("ann@other.test", "ben@other.test", bcc=["secret@other.test"])
    raw = relay.next().raw
    assert b"List-Unsubscribe-Post" not in raw
    link = unsubscribe_link(raw, autonomous)
    page = httpx.get(link).text
    assert "ann@" not in page
    assert "secret@" not in page
    assert httpx.post(link, data=ONE_CLICK).status_code == 400
    strange = httpx.post(link, data={"address": "stranger@other.test"})
    real = httpx.post(link, data={"address": "BEN@other.test"})
    assert strange.text.replace("stranger@", "ben@") == real.text
    assert suppressed(autonomous) == [("ben@other.test", "unsubscribe")]


def test_a_false_or_early_link_is_a_404_page(start: Start) -> None:
    server = start()
    link = unsubscribe_link(server.raw(server.sent("ann@other.test")["id"]))
    forged = link[:-1] + ("0" if link[-1] != "0" else "1")
    for url in (link, forged, f"{server.url}/v1/unsubscribe/%3Cscript%3E"):
        for reply in (httpx.get(url), httpx.post(url, data=ONE_CLICK)):
            assert reply.status_code == 404
            assert "<script>" not in reply.text
    assert suppressed(server) == []


def test_the_link_names_the_public_address(start: Start, relay: SmtpSink) -> None:
    server = start(live=True, relay=relay.url, oversight_mode="autonomous", public_url=PUBLIC)
    server.send("ann@other.test")
    link = urlsplit(unsubscribe_link(relay.next().raw))
    assert (link.scheme, link.netloc) == ("https", "mail.own.example")
    assert link.path.startswith("/v1/unsubscribe/msg_")


def test_a_reply_and_a_link_to_this_machine_have_no_unsubscribe(
    start: Start, relay: SmtpSink
) -> None:
    local = start(live=True, relay=relay.url, oversight_mode="autonomous")
    local.send("ann@other.test")
    assert b"List-Unsubscribe" not in relay.next().raw
    server = start()
    server.deliver("Where is it?", sender="ann@other.test", subject="Order")
    question = server.wait_for_message("Order")["id"]
    path = f"/v1/mailboxes/{server.mailbox.id}/reply/{question}"
    reply = server.agent.post(path, json={"body": "Here."}).json()
    assert b"List-Unsubscribe" not in server.raw(reply["id"])


def test_an_admin_takes_an_address_off_the_list(autonomous: ServerFixture, relay: SmtpSink) -> None:
    autonomous.send("ann@other.test")
    httpx.post(unsubscribe_link(relay.next().raw, autonomous), data=ONE_CLICK)
    path = "/v1/suppression/ann%40other.test"
    assert autonomous.agent.delete(path).status_code == 403
    assert autonomous.agent.get("/v1/suppression").status_code == 403
    admin = autonomous.admin
    assert admin.delete(path).json() == {"address": "ann@other.test", "status": "deleted"}
    assert admin.delete(path).status_code == 404
    assert autonomous.send("ann@other.test").status_code == 202
    assert autonomous.audit("suppression.add")
    assert autonomous.audit("suppression.remove")


def test_what_the_relay_refuses_for_good_is_suppressed(
    autonomous: ServerFixture, relay: SmtpSink
) -> None:
    relay.replies = {
        "gone@other.test": ["550 5.1.1 who?"],
        "spam@other.test": ["554 5.7.1 spam"],
        "odd@other.test": ["550 relay not permitted"],
    }
    sent = autonomous.sent(*relay.replies)
    row = autonomous.wait_for_status(sent["id"], "send_failed")
    assert set(results(row).values()) == {"refused"}
    assert suppressed(autonomous) == [("gone@other.test", "bounce")]


def test_disclosure_is_also_a_header(autonomous: ServerFixture, relay: SmtpSink) -> None:
    autonomous.send("ann@other.test")
    assert b"X-MultiMail-AI-Disclosure" not in relay.next().raw
    autonomous.configure(ai_disclosure=True, signature_block="Sales")
    autonomous.send("ann@other.test")
    raw = relay.next().raw
    assert b"\r\nX-MultiMail-AI-Disclosure: ai-generated\r\n" in raw
    assert b"Sales" in raw
