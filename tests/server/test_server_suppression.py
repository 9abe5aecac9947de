"""Suppression: who bounced, complained or unsubscribed gets nothing, and the sender is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.server.sink import Sink, start_sink

from multimail_server.mail.signing import generate_key, sign_dkim, zone_lines
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]
Json = dict[str, Any]
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def relay() -> Iterator[Sink]:
    sink, controller = start_sink()
    yield sink
    controller.stop()


@pytest.fixture
def free(start: Start, relay: Sink) -> ServerUnderTest:
    """A live server whose first mailbox sends without asking."""
    return start(live=True, relay=relay.url, oversight_mode="autonomous")


def send(server: ServerUnderTest, *to: str, **more: Any) -> httpx.Response:
    body = {"to": list(to), "subject": "Offer", "markdown": "Hello", **more}
    with server.http("agent") as agent:
        return agent.post(f"/v1/mailboxes/{server.mailbox.id}/send", json=body)


def settled(server: ServerUnderTest, email_id: str, *statuses: str) -> Json:
    return server.wait_for_message(
        lambda mail: mail["id"] == email_id and mail["status"] in statuses, direction="outbound"
    )


def result_of(mail: Json) -> dict[str, str]:
    return {row["address"]: row["status"] for row in mail["recipients"]}


def suppressed(server: ServerUnderTest) -> list[tuple[str, str]]:
    with server.http("admin") as admin:
        rows = admin.get("/v1/suppression").json()["suppressions"]
    return [(row["address"], row["reason"]) for row in rows]


def link_in(raw: bytes) -> str:
    folded = raw.replace(b"\r\n ", b" ")
    found = re.search(rb"(?m)^List-Unsubscribe: <([^>]+)>", folded)
    assert found is not None
    return found[1].decode()


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


def returned(server: ServerUnderTest, report: bytes, *, sender: str = "") -> None:
    """Deliver a report by SMTP and wait until it is in the mailbox."""
    server.deliver(report, sender=sender)
    subject = "Undelivered Mail"
    assert server.wait_for_message(subject)


def delivered(server: ServerUnderTest, relay: Sink, *to: str) -> Json:
    sent = send(server, *to).json()
    relay.next()
    return settled(server, sent["id"], "sent")


def test_a_hard_bounce_is_written_down_and_suppresses(free: ServerUnderTest, relay: Sink) -> None:
    sent = delivered(free, relay, "ann@other.test", "ben@other.test")
    returned(free, dsn(sent["rfc_message_id"], "Ann@Other.test"))
    told = settled(free, sent["id"], "sent")
    assert (told["bounce_type"], told["bounce_code"]) == ("hard", 550)
    assert told["bounced_at"]
    assert "no such user" in told["bounce_reason"]
    assert result_of(told) == {"ann@other.test": "bounced", "ben@other.test": "delivered"}
    assert suppressed(free) == [("ann@other.test", "bounce")]
    refused = send(free, "ANN@other.test")
    assert (refused.status_code, refused.json()["code"]) == (409, "recipient_suppressed")
    row = refused.json()["recipients"][0]
    assert (row["address"], row["status"]) == ("ANN@other.test", "suppressed")
    assert "bounced" in row["text"]


def test_a_soft_bounce_suppresses_nobody_and_may_harden(free: ServerUnderTest, relay: Sink) -> None:
    sent = delivered(free, relay, "ann@other.test")
    returned(free, dsn(sent["rfc_message_id"], "ann@other.test", "4.2.2"))
    told = settled(free, sent["id"], "sent")
    assert (told["bounce_type"], told["bounce_code"]) == ("soft", 450)
    assert suppressed(free) == []
    returned(free, dsn(sent["rfc_message_id"], "ann@other.test"))
    assert settled(free, sent["id"], "sent")["bounce_type"] == "hard"
    returned(free, dsn(sent["rfc_message_id"], "ann@other.test", "4.4.7"))
    assert settled(free, sent["id"], "sent")["bounce_type"] == "hard"


@pytest.mark.parametrize("case", ["sender", "recipient", "message", "mailbox", "delay", "policy"])
def test_a_report_that_is_not_about_our_mail_does_nothing(
    free: ServerUnderTest, relay: Sink, case: str
) -> None:
    sent = delivered(free, relay, "ann@other.test")
    ours = sent["rfc_message_id"]
    if case == "sender":
        returned(free, dsn(ours, "ann@other.test"), sender="mallory@evil.test")
    elif case == "recipient":
        returned(free, dsn(ours, "boss@other.test"))
    elif case == "message":
        returned(free, dsn("<guessed@multimail.test>", "ann@other.test"))
    elif case == "delay":
        returned(free, dsn(ours, "ann@other.test", action="delayed"))
    elif case == "mailbox":
        with free.http("admin") as admin:
            admin.post("/v1/mailboxes", json={"address": "second"})
        free.deliver(dsn(ours, "ann@other.test"), sender="", to="second@multimail.test")
        assert free.wait_for_message("Undelivered Mail")
    else:
        returned(free, dsn(ours, "ann@other.test", "5.7.1"))
    told = settled(free, sent["id"], "sent")
    assert told["bounce_type"] == ("soft" if case == "policy" else None)
    assert suppressed(free) == []


def test_a_report_about_mail_that_did_not_leave_does_nothing(start: Start) -> None:
    server = start()
    sent = send(server, "ann@other.test").json()
    held = settled(server, sent["id"], "pending_send_approval")
    returned(server, dsn(held["rfc_message_id"], "ann@other.test"))
    assert settled(server, sent["id"], "pending_send_approval")["bounced_at"] is None
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
    start: Start, relay: Sink, tmp_path: Path, signed: bool
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
    assert settled(server, sent["id"], "sent")["bounced_at"] is None


def test_a_bounce_can_be_rehearsed_with_test_keys(start: Start) -> None:
    server = start(oversight_mode="autonomous")
    sent = send(server, "ann@other.test").json()
    left = settled(server, sent["id"], "sent")
    returned(server, dsn(left["rfc_message_id"], "ann@other.test"))
    assert result_of(settled(server, sent["id"], "sent")) == {"ann@other.test": "bounced"}
    assert send(server, "ann@other.test").json()["code"] == "recipient_suppressed"


def test_a_key_of_one_mailbox_does_not_change_the_accounts_list(free: ServerUnderTest) -> None:
    with free.http("admin") as admin:
        bound = {"name": "b", "scopes": ["admin"], "mailbox_id": free.mailbox.id}
        key = admin.post("/v1/api-keys", json=bound).json()["key"]
    with free.http(key) as client:
        for reply in (client.get("/v1/suppression"), client.delete("/v1/suppression/a%40b.test")):
            assert (reply.status_code, reply.json()["code"]) == (403, "bound_key")


def test_the_others_still_get_it_and_the_sender_is_told(free: ServerUnderTest, relay: Sink) -> None:
    sent = delivered(free, relay, "ann@other.test")
    returned(free, dsn(sent["rfc_message_id"], "ann@other.test"))
    answer = send(free, "ann@other.test", "ben@other.test").json()
    assert answer["suppressed"] == ["ann@other.test"]
    assert relay.next().recipients == ["ben@other.test"]
    told = settled(free, answer["id"], "sent")
    assert result_of(told) == {"ann@other.test": "suppressed", "ben@other.test": "delivered"}
    assert told["bounced_at"] is None


def test_who_is_suppressed_while_a_message_waits_gets_nothing(start: Start, relay: Sink) -> None:
    server = start(live=True, relay=relay.url)
    reviewer = server.http("reviewer")
    first, second = (send(server, "ann@other.test").json()["id"] for _ in range(2))
    reviewer.post("/v1/oversight/decide", json={"email_id": first, "action": "approve"})
    assert httpx.post(link_in(relay.next().raw), data=ONE_CLICK).status_code == 200
    item = reviewer.get("/v1/oversight/pending").json()["pending"][0]
    assert (item["id"], item["suppressed"]) == (second, ["ann@other.test"])
    reviewer.post("/v1/oversight/decide", json={"email_id": second, "action": "approve"})
    told = settled(server, second, "send_failed")
    assert (told["bounce_type"], result_of(told)) == (
        "suppressed",
        {"ann@other.test": "suppressed"},
    )
    assert "unsubscribed" in told["bounce_reason"]
    assert relay.taken.empty()


def test_one_click_unsubscribes_and_looking_does_not(free: ServerUnderTest, relay: Sink) -> None:
    send(free, "ann@other.test")
    raw = relay.next().raw
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in raw
    link = link_in(raw)
    page = httpx.get(link)
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "ann@other.test" in page.text
    assert httpx.head(link).status_code == 200
    assert suppressed(free) == []
    for _ in range(2):
        assert httpx.post(link, data=ONE_CLICK).status_code == 200
    assert suppressed(free) == [("ann@other.test", "unsubscribe")]
    assert "gets no more mail" in httpx.get(link).text


def test_with_several_recipients_one_has_to_say_who_one_is(
    free: ServerUnderTest, relay: Sink
) -> None:
    send(free, "ann@other.test", "ben@other.test", bcc=["secret@other.test"])
    raw = relay.next().raw
    assert b"List-Unsubscribe-Post" not in raw
    link = link_in(raw)
    page = httpx.get(link).text
    assert "ann@" not in page
    assert "secret@" not in page
    assert httpx.post(link, data=ONE_CLICK).status_code == 400
    strange = httpx.post(link, data={"address": "stranger@other.test"})
    real = httpx.post(link, data={"address": "BEN@other.test"})
    assert strange.text.replace("stranger@", "ben@") == real.text
    assert suppressed(free) == [("ben@other.test", "unsubscribe")]


def test_a_false_or_early_link_is_a_404_page(start: Start) -> None:
    server = start()
    sent = send(server, "ann@other.test").json()
    raw = (
        server.http("agent")
        .get(f"/v1/mailboxes/{server.mailbox.id}/emails/{sent['id']}/raw")
        .content
    )
    link = link_in(raw)
    forged = link[:-1] + ("0" if link[-1] != "0" else "1")
    for url in (link, forged, f"{server.url}/v1/unsubscribe/%3Cscript%3E"):
        for reply in (httpx.get(url), httpx.post(url, data=ONE_CLICK)):
            assert reply.status_code == 404
            assert "<script>" not in reply.text
    assert suppressed(server) == []


def test_the_link_names_the_public_address(start: Start, relay: Sink) -> None:
    server = start(
        live=True, relay=relay.url, oversight_mode="autonomous",
        public_url="https://mail.own.example",
    )  # fmt: skip
    send(server, "ann@other.test")
    link = urlsplit(link_in(relay.next().raw))
    assert (link.scheme, link.netloc) == ("https", "mail.own.example")
    assert link.path.startswith("/v1/unsubscribe/msg_")


def test_an_admin_takes_an_address_off_the_list(free: ServerUnderTest, relay: Sink) -> None:
    send(free, "ann@other.test")
    httpx.post(link_in(relay.next().raw), data=ONE_CLICK)
    path = "/v1/suppression/ann%40other.test"
    assert free.http("agent").delete(path).status_code == 403
    assert free.http("agent").get("/v1/suppression").status_code == 403
    admin = free.http("admin")
    assert admin.delete(path).json() == {"address": "ann@other.test", "status": "deleted"}
    assert admin.delete(path).status_code == 404
    assert send(free, "ann@other.test").status_code == 202
    actions = [row["action"] for row in admin.get("/v1/audit-log").json()["entries"]]
    assert {"suppression.add", "suppression.remove"} <= set(actions)


def test_what_the_relay_refuses_for_good_is_suppressed(free: ServerUnderTest, relay: Sink) -> None:
    relay.replies = {
        "gone@other.test": ["550 5.1.1 who?"],
        "spam@other.test": ["554 5.7.1 spam"],
        "odd@other.test": ["550 relay not permitted"],
    }
    sent = send(free, *relay.replies).json()
    told = settled(free, sent["id"], "send_failed")
    assert set(result_of(told).values()) == {"refused"}
    assert suppressed(free) == [("gone@other.test", "bounce")]


def test_the_disclosure_stands_in_a_header_too(free: ServerUnderTest, relay: Sink) -> None:
    send(free, "ann@other.test")
    assert b"X-MultiMail-AI-Disclosure" not in relay.next().raw
    with free.http("admin") as admin:
        admin.patch(
            f"/v1/mailboxes/{free.mailbox.id}/configure",
            json={"ai_disclosure": True, "signature_block": "Sales"},
        )
    send(free, "ann@other.test")
    raw = relay.next().raw
    assert b"\r\nX-MultiMail-AI-Disclosure: ai-generated\r\n" in raw
    assert b"Sales" in raw
