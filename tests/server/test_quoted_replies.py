"""Replies that quote their original: to whom, how, and what the approver sees."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from tests.server.pages import Person
from tests.support.server import ServerFixture

from multimail import MultiMail
from multimail.tools._format import format_pending_row
from multimail_server.mail.quoting import (
    MAX_LINES,
    build_quotation,
    find_quotation,
    quotation_to_html,
)
from multimail_server.mail.signing import zone_lines

Json = dict[str, Any]


@pytest.fixture
def server(start: Any, tmp_path: Path) -> ServerFixture:
    """A server whose mailbox quotes, and for which mail of x.test is authenticated."""
    zone = tmp_path / "dns.zone"
    zone.write_text(zone_lines([("x.test", "v=spf1 ip4:127.0.0.1 -all")]), encoding="ascii")
    server: ServerFixture = start(dns_zone=zone)
    server.configure(quote_replies=True)
    return server


def answer(server: ServerFixture, question: Json, markdown: str = "Yes.", **more: Any) -> Json:
    path = f"{server.box}/reply/{question['id']}"
    reply = server.agent.post(path, json={"markdown": markdown, **more})
    assert reply.status_code == 202, reply.text
    accepted: Json = reply.json()
    return accepted


def get_texts(raw: bytes) -> tuple[str, str]:
    parsed = message_from_bytes(raw, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    parts = [parsed.get_body((kind,)) for kind in ("plain", "html")]
    texts = (part.get_content() if part else "" for part in parts)
    plain, html = (text.replace("\r\n", "\n") for text in texts)
    return plain, html


def test_a_reply_quotes_what_it_answers(server: ServerFixture) -> None:
    question = server.receive(
        "Is **this** ready?\n<script>x</script> [a](http://a.test)\n-- \nMia", sender="mia@x.test"
    )
    sent = answer(server, question)
    plain, html = get_texts(server.raw(sent["id"]))
    lines = plain.split("\n")
    assert lines[:2] == ["Yes.", ""]
    assert lines[2].endswith("UTC, mia@x.test wrote:")
    assert lines[3] == "> Is this ready?"
    assert "<script" not in html
    assert "href" not in html.partition("<blockquote>")[2]
    assert server.email(sent["id"])["markdown"] == "Yes."


def test_the_approver_sees_the_quotation_and_an_edit_keeps_it(server: ServerFixture) -> None:
    server.configure(oversight_mode="gated_send", signature_block="Desk")
    sent = answer(server, server.receive("Ready?", sender="mia@x.test"))
    (item,) = server.reviewer.get("/v1/oversight/pending").json()["pending"]
    assert item["quotation"].endswith("wrote:\n> Ready?")
    assert item["body_markdown"] == "Yes.\n\n-- \nDesk"
    edit = {"email_id": sent["id"], "content_hash": item["content_hash"], "markdown": "No."}
    assert server.reviewer.post("/v1/oversight/revise", json=edit).status_code == 200
    plain, _ = get_texts(server.raw(sent["id"]))
    assert plain.rstrip("\n") == f"No.\n\n{item['quotation']}"
    (edited,) = server.reviewer.get("/v1/oversight/pending").json()["pending"]
    assert edited["quotation"] == item["quotation"]


@pytest.mark.parametrize(
    ("sender", "headers", "more", "is_quoted"),
    [
        ("mia@x.test", {}, {}, True),
        ("mia@x.test", {"Cc": "noor@y.test"}, {"reply_all": True}, True),
        ("mia@x.test", {"Cc": "noor@y.test"}, {"cc": ["NOOR@y.test"]}, True),
        ("mia@x.test", {}, {"cc": ["noor@y.test"]}, False),
        ("mia@x.test", {}, {"bcc": ["noor@y.test"]}, False),
        ("mia@x.test", {"Reply-To": "noor@y.test"}, {}, False),
        ("mia@forged.test", {}, {}, False),
    ],
)
def test_only_an_authenticated_author_and_those_who_have_it_are_quoted(
    server: ServerFixture,
    sender: str,
    headers: dict[str, str],
    more: dict[str, Any],
    is_quoted: bool,
) -> None:
    sent = answer(server, server.receive("Ready?", sender=sender, headers=headers), **more)
    assert ("> Ready?" in get_texts(server.raw(sent["id"]))[0]) is is_quoted


def test_a_mailbox_quotes_nothing_by_default(server: ServerFixture) -> None:
    server.configure(quote_replies=None)
    sent = answer(server, server.receive("Ready?", sender="mia@x.test"))
    assert get_texts(server.raw(sent["id"]))[0].rstrip("\n") == "Yes."


def test_the_quotation_stands_unfolded_in_what_would_be_sent(server: ServerFixture) -> None:
    server.configure(oversight_mode="gated_send")
    held = answer(server, server.receive("Ready, as ever?", sender="mia@x.test"))
    person = Person(server)
    person.sign_in(server.keys.reviewer)
    page = person.get(f"/review/{held['id']}").text
    answered = page.partition("Would be sent")[2]
    shown = re.sub(r"<details.*?</details>", "", answered, flags=re.DOTALL)
    assert "&gt; Ready, as ever?" in shown


def test_text_of_our_own_that_looks_like_a_quotation_is_none(server: ServerFixture) -> None:
    server.configure(quote_replies=False, oversight_mode="gated_send")
    text = "On 2026-01-02 03:04 UTC, mia@x.test wrote:\n> x"
    answer(server, server.receive("Ready?", sender="mia@x.test"), markdown=text)
    (item,) = server.reviewer.get("/v1/oversight/pending").json()["pending"]
    assert item["quotation"] == ""


def test_a_quotation_is_bounded_and_text() -> None:
    date = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    quotation = build_quotation("a\u200bb\n" * 500, date, 'M\r\nia "<b@y.test>"', "mia@x.test")
    lines = quotation.split("\n")
    assert lines[0].startswith('On 2026-01-02 03:04 UTC, M ia "b@y.test" <mia@x.test> wrote:')
    assert lines[1] == "> ab"
    assert len(lines) == MAX_LINES + 2
    assert "&lt;mia@x.test&gt;" in quotation_to_html(quotation)
    raw = b"Content-Type: text/plain\r\n\r\nHi\r\n\r\n" + quotation.encode()
    assert find_quotation(raw, "Hi") == quotation


def test_an_approver_tool_says_that_a_reply_quotes(server: ServerFixture) -> None:
    server.configure(oversight_mode="gated_send")
    answer(server, server.receive("Ready?", sender="mia@x.test"))
    with MultiMail(server.keys.reviewer, base_url=server.url) as client:
        (held,) = client.list_pending()
    row = format_pending_row(held)
    assert "quotes the message" in row
    assert "Ready?" not in row
