"""Reading: listings and their filters, threads, attachments, tags, and mail from outside."""

from __future__ import annotations

import base64
import smtplib
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import httpx
import pytest
from tests.support.server import ServerFixture, Start, accepted, refusal

from multimail_server.testing import VirtualClock


def with_files(*files: tuple[str, bytes], subject: str = "Files") -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = "Bob <bob@example.com>", subject
    message["Message-ID"] = f"<{subject.replace(' ', '-')}@example.com>"
    message.set_content("See the files.")
    for name, content in files:
        message.add_attachment(content, "application", "octet-stream", filename=name)
    return message.as_bytes()


def test_a_client_may_ask_for_each_list_and_body_under_one_name(start: Start) -> None:
    """RFC 7240 section 4.2: older clients, which read other names, don't send the preference."""
    server = start()
    server.deliver("x" * 300)
    email_id = server.agent.get(f"{server.box}/emails").json()["emails"][0]["id"]
    for path, first, other in (
        (f"{server.box}/emails", "emails", "messages"),
        (f"{server.box}/emails/{email_id}", "markdown", "body"),
    ):
        server.agent.get(path)  # marks it as read
        whole = server.agent.get(path).json()
        minimal = server.agent.get(path, headers={"Prefer": "wait=9, Return=minimal"})
        assert whole.pop(other) == whole[first]
        assert minimal.json() == whole
        assert minimal.headers["Preference-Applied"] == "return=minimal"


def test_pages_follow_each_other_over_ties(start: Start, clock: VirtualClock) -> None:
    """The clock stands still, so all messages have the same time."""
    server = start(clock=clock)
    agent = server.agent
    for number in range(25):
        server.deliver(subject=f"n{number}")
    seen: list[str] = []
    cursor = None
    while True:
        params: dict[str, Any] = {"limit": 7, **({"cursor": cursor} if cursor else {})}
        page = agent.get(f"{server.box}/emails", params=params).json()
        seen += [row["subject"] for row in page["emails"]]
        server.deliver(subject="later")
        cursor = page["cursor"]
        if cursor is None:
            break
    assert seen == [f"n{number}" for number in range(24, -1, -1)]


def test_filters_choose(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    agent = server.agent
    server.deliver(subject="Rechnung Über 5", sender="ann@example.com")
    clock.advance(timedelta(days=1))
    noon = clock.now().isoformat()
    server.deliver(with_files(("a.bin", b"x")))
    clock.advance(timedelta(days=1))
    mail = {"to": ["a@example.com"], "subject": "Out", "markdown": "m"}
    agent.post(f"{server.box}/send", json=mail)

    def subjects(**params: Any) -> list[str]:
        reply = agent.get(f"{server.box}/emails", params=params)
        assert reply.status_code == 200, reply.text
        return [row["subject"] for row in reply.json()["emails"]]

    rechnung, files, out = "Rechnung Über 5", "Files", "Out"
    assert subjects() == [out, files, rechnung]
    assert subjects(direction="inbound") == [files, rechnung]
    assert subjects(status="unread") == [files, rechnung]
    assert subjects(status="pending_approval") == [out]
    assert subjects(status="unread,pending_send_approval") == [out, files, rechnung]
    assert subjects(status="spam_flagged") == []
    assert subjects(sender="ANN@example") == [rechnung]
    assert subjects(sender="Bob") == [files]
    assert subjects(subject_contains="ÜBER") == [rechnung]
    assert subjects(subject_contains="%") == []
    assert subjects(date_after=noon) == [out, files]
    assert subjects(date_before=noon) == [rechnung]
    assert subjects(has_attachments="true") == [files]
    assert subjects(has_attachments="false") == [out, rechnung]
    assert subjects(limit=1, offset=1) == [files]
    oldest = agent.get(f"{server.box}/emails").json()["emails"][-1]["id"]
    assert subjects(since_id=oldest) == [out, files]


@pytest.mark.parametrize(
    "params",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "ten"},
        {"limit": "-1"},
        {"limit": "٣"},
        {"cursor": "nonsense"},
        {"cursor": "é"},
        {"cursor": base64.urlsafe_b64encode(b"msg_1' OR 1=1").decode()},
        {"status": "happy"},
        {"direction": "sideways"},
        {"date_after": "yesterday"},
        {"date_before": "0001-01-01T00:00:00+23:00"},
        {"has_attachments": "maybe"},
        {"offset": "-1"},
        {"offset": "9" * 30},
        {"subject_contains": "s" * 1000},
    ],
    ids=str,
)
def test_a_bad_filter_is_named(
    server: ServerFixture, agent: httpx.Client, params: dict[str, str]
) -> None:
    reply = agent.get(f"{server.box}/emails", params=params)
    assert refusal(reply) == (400, "invalid_request")
    assert f"`{next(iter(params))}`" in reply.json()["error"]


def test_reading_marks_as_read_and_looking_does_not(
    server: ServerFixture, agent: httpx.Client, admin: httpx.Client
) -> None:
    row = server.receive("The body.", subject="Mark me")
    path = f"{server.box}/emails/{row['id']}"
    assert agent.head(path).status_code == 200
    assert server.wait_for_message("Mark me")["status"] == "unread"
    opened = agent.get(path).json()
    assert opened["status"] == "read"
    assert opened["markdown"].strip() == opened["body"].strip() == "The body."
    assert opened["id"] == opened["message_id"] != opened["rfc_message_id"]
    log = admin.get("/v1/audit-log").json()["entries"]
    reads = [e for e in log if e["action"] == "email.read" and e["resource_id"] == row["id"]]
    assert len(reads) == 1


def test_a_listing_has_no_bodies_and_a_thread_has_them_on_request(
    server: ServerFixture, agent: httpx.Client
) -> None:
    row = server.receive("Needle in a body.", subject="Thread me")
    assert "Needle" not in agent.get(f"{server.box}/emails").text
    path = f"{server.box}/threads/{row['thread_id']}"
    plain = agent.get(path)
    assert "Needle" not in plain.text
    assert plain.json()["has_unanswered_inbound"] is True
    assert plain.json()["participants"] == ["sender@example.com", server.mailbox.address]
    full = agent.get(path, params={"include": "bodies"}).json()
    assert "Needle" in full["emails"][0]["markdown"]
    assert agent.get(path, params={"include": "all"}).status_code == 400
    assert agent.get(f"{server.box}/threads/thr_none").status_code == 404


def test_a_small_attachment_is_inline_and_a_large_one_is_a_link(
    server: ServerFixture, agent: httpx.Client
) -> None:
    small, large = b"\x00small", b"\xfflarge" * 20_000
    server.deliver(with_files(("räksmörgås.bin", small), ("large.bin", large), subject="Two"))
    row = server.wait_for_message("Two")
    assert [file["size"] for file in row["attachments"]] == [len(small), len(large)]
    path = f"{server.box}/emails/{row['id']}/attachments"
    inline = agent.get(f"{path}/räksmörgås.bin").json()
    assert base64.b64decode(inline["content_base64"]) == small
    linked = agent.get(f"{path}/large.bin").json()
    assert "content_base64" not in linked
    fetched = httpx.get(linked["url"])
    assert fetched.content == large
    assert fetched.headers["content-disposition"].startswith("attachment;")
    assert fetched.headers["x-content-type-options"] == "nosniff"
    assert agent.get(f"{path}/none.bin").status_code == 404
    also = agent.get(f"{path}/räksmörgås.bin/url").json()
    assert httpx.get(also["url"]).content == small


def test_a_link_cannot_be_altered_and_ends(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    server.deliver(with_files(("a.bin", b"a"), ("b.bin", b"b")))
    row = server.wait_for_message()
    agent = server.agent
    links = [
        agent.get(f"{server.box}/emails/{row['id']}/attachments/{name}/url").json()
        for name in ("a.bin", "b.bin")
    ]
    first, second = links
    assert httpx.get(first["url"].replace(first["id"], second["id"])).status_code == 403
    assert httpx.get(first["url"].replace("expires=1", "expires=2")).status_code == 403
    assert httpx.get(first["url"].partition("?")[0]).status_code == 403
    assert httpx.get(first["url"].replace("signature=", "signature=é")).status_code == 403
    clock.advance(timedelta(minutes=16))
    ended = httpx.get(first["url"])
    assert refusal(ended) == (403, "link_expired")


def test_tags_are_set_and_removed(server: ServerFixture, agent: httpx.Client) -> None:
    server.deliver(subject="Tag me")
    path = f"{server.box}/emails/{server.wait_for_message('Tag me')['id']}"
    tags = {"project": "apollo", "a/b": "slash"}
    unlabelled = {"tags": tags, "tag_labels": {}}
    assert agent.put(f"{path}/tags", json={"tags": tags}).json() == unlabelled
    assert agent.get(f"{path}/tags").json() == unlabelled
    assert agent.get(path).json().items() >= unlabelled.items()
    assert agent.delete(f"{path}/tags/a/b").json()["tags"] == {"project": "apollo"}
    assert agent.delete(f"{path}/tags/none").status_code == 200
    assert agent.put(f"{path}/tags", json={"tags": {"k": 1}}).status_code == 400
    assert agent.put(f"{path}/tags", json={"tags": {}}).json()["tags"] == {}


def test_a_tag_keeps_the_label_of_its_writer(server: ServerFixture, agent: httpx.Client) -> None:
    path = f"{server.box}/emails/{server.receive(subject='Labelled')['id']}"

    def put(label: str | None, **tags: str) -> Any:
        body = {"tags": tags, "label": label}
        return agent.put(f"{path}/tags", json=body).json()["tag_labels"]

    assert put(None, own="1") == {}
    assert put("failed", own="1", new="2") == {"new": "failed"}
    assert put("authenticated", own="3", new="2") == {"own": "authenticated", "new": "failed"}
    assert put(None, own="3", new="other") == {"own": "authenticated"}
    flat = {"email_id": path.rpartition("/")[2], "tag": "flat", "label": "unknown"}
    labels = {"own": "authenticated", "flat": "unknown"}
    assert agent.post("/tag_email", json=flat).json()["tag_labels"] == labels
    assert agent.get(path).json()["tag_labels"] == labels
    assert agent.delete(f"{path}/tags/own").json()["tag_labels"] == {"flat": "unknown"}
    assert agent.put(f"{path}/tags", json={"tags": {}, "label": "fine"}).status_code == 400


def test_a_reply_names_the_message_that_its_subject_comes_from(start: Start) -> None:
    server = start(oversight_mode="autonomous")
    question = server.receive(subject="Pay", sender="ann@example.org")
    expected = {
        "id": question["id"],
        "from": "ann@example.org",
        "authentication": server.emails()[0]["authentication"],
    }

    def reply(email_id: str) -> Any:
        return server.email(accepted(server.reply(email_id), 202)["id"])

    first = reply(question["id"])
    follow_up = reply(first["id"])
    assert [first["answers"], follow_up["answers"]] == [expected, expected]
    assert {row["id"]: row["answers"] for row in server.emails()} == {
        question["id"]: None, first["id"]: expected, follow_up["id"]: expected,
    }  # fmt: skip
    own = server.email(server.sent()["id"])
    assert [own["answers"], reply(own["id"])["answers"]] == [None, None]


def test_fields_that_a_mail_lacks_are_null(server: ServerFixture) -> None:
    fields = ("auto_submitted", "list_id", "precedence", "in_reply_to")
    plain = server.receive(subject="Without fields")
    assert [plain[field] for field in fields] == [None] * 4
    headers = {
        "Auto-Submitted": "auto-generated",
        "List-Id": "<news.example.org>",
        "Precedence": "bulk",
        "In-Reply-To": "<q@example.org>",
    }
    full = server.receive(subject="With fields", headers=headers)
    assert full["auto_submitted"] == "auto-generated"
    assert "news.example.org" in full["list_id"]
    assert full["precedence"] == "bulk"
    assert full["in_reply_to"] == "<q@example.org>"


def test_raw_bytes_are_kept_as_they_came(server: ServerFixture, agent: httpx.Client) -> None:
    raw = b"From: bob@example.com\r\nSubject: Raw\r\nX-Odd: \xff\xfe\r\n\r\nBody \x80\r\n"
    server.deliver(raw)
    row = server.wait_for_message("Raw")
    reply = agent.get(f"{server.box}/emails/{row['id']}/raw")
    assert reply.content == raw
    assert reply.headers["content-type"] == "message/rfc822"


def test_a_repeated_delivery_is_stored_once(server: ServerFixture) -> None:
    raw = with_files(("a.bin", b"x"), subject="Twice")
    server.deliver(raw)
    first = server.wait_for_message("Twice")
    server.deliver(raw)
    server.deliver(subject="After twice")
    server.wait_for_message("After twice")
    assert server.wait_for_message("Twice")["id"] == first["id"]


def test_mail_reaches_every_mailbox_it_names_and_no_other(
    server: ServerFixture, admin: httpx.Client
) -> None:
    admin.post("/v1/mailboxes", json={"address": "sales"})
    server.deliver(subject="Plus", to=server.mailbox.address.replace("@", "+news@").upper())
    assert server.wait_for_message("Plus")["mailbox_id"] == server.mailbox.id
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        server.deliver(subject="Nobody", to="nobody@multimail.test")
    host, _, port = server.smtp.rpartition(":")
    with smtplib.SMTP(host, int(port)) as smtp:
        smtp.sendmail(
            "x@example.com",
            [server.mailbox.address, "sales@multimail.test"],
            "Subject: Both\n\nBoth",
        )
    rows = [
        admin.get(f"/v1/mailboxes/{name}/emails", params={"subject_contains": "Both"}).json()
        for name in (server.mailbox.address, "sales@multimail.test")
    ]
    assert [len(row["emails"]) for row in rows] == [1, 1]


def test_a_message_can_be_injected_with_a_test_key(
    server: ServerFixture, agent: httpx.Client
) -> None:
    reply = agent.post(
        "/v1/test/inbound",
        params={"mailbox": server.mailbox.address},
        content=with_files(subject="Injected"),
        headers={"Content-Type": "message/rfc822"},
    )
    assert reply.status_code == 201
    row = agent.get(f"{server.box}/emails/{reply.json()['id']}").json()
    assert row["subject"] == "Injected"
    assert row["authentication"]["dkim"] == []
    empty = agent.post("/v1/test/inbound", params={"mailbox": server.mailbox.id})
    assert empty.status_code == 400


@pytest.mark.parametrize(
    ("fields", "copies"),
    [("Message-ID: <alarm@x>", 1), ("Date: Mon, 30 Nov 2026 17:00:00 +0000", 1), ("X-Alarm: 1", 2)],
)
def test_what_has_neither_id_nor_date_is_another_mail(
    start: Start, fields: str, copies: int
) -> None:
    server = start()
    raw = f"From: meter@example.com\r\nSubject: Alarm\r\n{fields}\r\n\r\nHot\r\n".encode()
    for way in ("SMTP", "HTTP"):
        for expected in (False, copies == 1):
            mail = raw.replace(b"Hot", way.encode())
            if way == "HTTP":
                reply = server.agent.post("/v1/test/inbound", content=mail)
                assert (reply.json()["duplicate"], reply.status_code) == (
                    expected,
                    200 if expected else 201,
                )
                continue
            host, _, port = server.smtp.rpartition(":")
            with smtplib.SMTP(host, int(port)) as client:
                client.ehlo()
                client.mail("meter@example.com")
                client.rcpt(server.mailbox.address)
                assert (b"already" in client.data(mail)[1]) is expected
    assert len(server.emails()) == 2 * copies


@pytest.mark.parametrize(
    "raw",
    [b"\x00", b"no headers at all", b"From: " + b"<" * 5000, b"\xff" * 5000, b"\r\n\r\n",
     b"Subject: =?utf-8?b?2D0=?=\r\nFrom: =?x?q?=00?=\r\nReferences: " + b"<a@b> " * 5000],
    ids=["null", "headless", "brackets", "bytes", "blank", "words"],
)  # fmt: skip
def test_hostile_mail_is_stored_and_shown(
    server: ServerFixture, agent: httpx.Client, raw: bytes
) -> None:
    where = {"mailbox": server.mailbox.id}
    response = agent.post("/v1/test/inbound", params=where, content=raw)
    assert response.status_code in (201, 400), response.text
    if response.status_code == 201:
        email_id = response.json()["id"]
        assert agent.get(f"{server.box}/emails/{email_id}").status_code == 200
        assert agent.get(f"{server.box}/emails/{email_id}/raw").content == raw
        reply = agent.post(f"{server.box}/reply/{email_id}", json={"markdown": "?"})
        assert reply.status_code in (202, 400)
    assert agent.get(f"{server.box}/emails").status_code == 200
