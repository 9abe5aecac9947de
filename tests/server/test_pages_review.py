"""The review page: what an approver sees before deciding, and what a decision does."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.server.pages import Person, get_status, get_text

from multimail_server.store.protocol import Tx
from multimail_server.testing import VirtualClock
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]
HELD_HTML = b"""From: =?utf-8?q?Your_Bank?= <ceo@bank.example>
To: gated@multimail.test
Subject: Urgent
Content-Type: text/html

<h1 style="color:red">Pay now</h1><a href="https://x.test">here</a>
<img src="https://t.test/p.gif" onerror="alert(1)"><script>alert(2)</script>
<meta http-equiv="refresh" content="0;url=https://y.test"><form action="https://z.test"></form>
"""


@pytest.fixture
def person(server: ServerUnderTest) -> Person:
    """Somebody who is signed in."""
    browser = Person(server)
    browser.sign_in(server.keys.reviewer)
    return browser


def send(server: ServerUnderTest, **more: Any) -> str:
    """Send something that is held, and return its id."""
    body = {"to": ["ann@example.com"], "subject": "Offer", "markdown": "Hello *Ann*", **more}
    with server.http("agent") as agent:
        reply = agent.post(f"/v1/mailboxes/{server.mailbox.id}/send", json=body)
    assert reply.json()["held"], reply.text
    return str(reply.json()["id"])


def test_a_send_names_the_page_that_asks_for_a_sign_in(server: ServerUnderTest) -> None:
    body = {"to": ["ann@example.com"], "subject": "Offer", "markdown": "Hello"}
    with server.http("agent") as agent:
        sent = agent.post(f"/v1/mailboxes/{server.mailbox.id}/send", json=body).json()
    assert sent["approval_url"] == f"{server.url}/review/{sent['id']}"
    page = httpx.get(sent["approval_url"])
    assert page.status_code == 401
    assert "Sign in to decide" in get_text(page)
    assert "Offer" not in page.text


def test_what_goes_out_at_once_has_no_approval_url(start: Start) -> None:
    server = start(oversight_mode="autonomous", public_url="https://mail.example.com/")
    body: dict[str, Any] = {"to": ["ann@example.com"], "subject": "s", "markdown": "m"}
    with server.http("agent") as agent:
        path = f"/v1/mailboxes/{server.mailbox.id}/send"
        assert agent.post(path, json=body).json()["approval_url"] is None
        held = agent.post(path, json={**body, "oversight_mode": "gated_send"}).json()
    assert held["approval_url"] == f"https://mail.example.com/review/{held['id']}"


def test_every_recipient_is_shown_and_new_ones_are_flagged(start: Start) -> None:
    server = start()
    with server.http("admin") as admin:
        settings = {"auto_cc": ["log@example.com"], "auto_bcc": ["archive@example.com"]}
        admin.patch(f"/v1/mailboxes/{server.mailbox.id}", json=settings)
    person = Person(server)
    person.sign_in(server.keys.reviewer)
    envelope = {"cc": ["Cleo@example.com"], "bcc": ["boss@example.com"]}
    first = person.get(f"/review/{send(server, **envelope)}")
    shown = get_text(first)
    words = "never written to ann@example.com, Cleo@example.com, boss@example.com and 2 more"
    assert words in shown
    for line in (
        "To ann@example.com new",
        "Cc Cleo@example.com new",
        "Bcc boss@example.com new not visible to the others",
        "Auto-Cc log@example.com new the mailbox's own copy",
        "Auto-Bcc archive@example.com new the mailbox's own copy, not visible to the others",
    ):
        assert line in shown
    person.decide(send(server, cc=["cleo@example.com"]), "approve")
    again = get_text(person.get(f"/review/{send(server, **envelope)}"))
    assert "never written to boss@example.com with approval before" in again
    assert "Bcc boss@example.com new" in again
    assert "To ann@example.com Cc Cleo@example.com Bcc" in again


def test_a_rejected_recipient_stays_new(server: ServerUnderTest, person: Person) -> None:
    to = {"to": ["never@example.com"]}
    person.decide(send(server, **to), "reject")
    assert "To never@example.com new" in get_text(person.get(f"/review/{send(server, **to)}"))


def test_hidden_characters_are_shown_and_named(server: ServerUnderTest, person: Person) -> None:
    email = send(server, subject="Of\u200bfer", markdown="Pay \u202e1234\U000e0041 now `a\u00ad`")
    page = person.get(f"/review/{email}")
    shown = get_text(page)
    assert "Invisible characters:" in shown
    for name in ("U+200B zero width space", "U+202E right-to-left override",
                 "U+E0041 tag latin capital letter a", "U+00AD soft hyphen"):  # fmt: skip
        assert name in shown
    for character in "\u200b\u202e\U000e0041\u00ad":
        assert character not in page.text
        assert character not in person.get("/").text
        assert character not in person.get("/outbox").text


def test_nothing_is_removed_by_rendering(server: ServerUnderTest, person: Person) -> None:
    email = send(
        server, markdown="Hello\n\n[x]: https://hidden.example/path\n\n![seen](http://p.test/i)"
    )
    shown = get_text(person.get(f"/review/{email}"))
    assert "Hello [x]: https://hidden.example/path [image: seen]" in shown
    assert "[image: seen] http://p.test/i" in shown


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        '[x](http://a.test/"onmouseover=alert(1) \'b" onclick="alert(1)\')',
        '``` "><script>alert(1)</script>\nx\n```',
        "</textarea></pre><script>alert(1)</script>",
        "{{ 7 * 7 }}{% raw %}",
    ],
)
def test_nothing_in_a_mail_becomes_part_of_the_page(
    server: ServerUnderTest, person: Person, text: str
) -> None:
    email = send(
        server,
        subject=text.replace("\n", " "),
        markdown=text,
        metadata={"guard_reasons": text, "guard_action": "hold", "<b>note</b>": text},
        attachments=[{"name": text.replace("\n", " ").replace("/", "|")[:200],
                      "content_base64": "eA=="}],
    )  # fmt: skip
    for path in (f"/review/{email}", f"/review/{email}/edit", "/", "/outbox", "/audit"):
        page = person.get(path)
        assert page.status_code == 200
        lowered = page.text.lower()
        assert "<script>" not in lowered
        assert "<img" not in lowered
        assert 'href="javascript' not in lowered
        assert 'href="data' not in lowered
        assert '" onclick' not in lowered
        assert '"onmouseover' not in lowered


def test_a_link_shows_where_it_leads(server: ServerUnderTest, person: Person) -> None:
    email = send(server, markdown="[bank.example](https://evil.test/login)")
    assert "bank.example https://evil.test/login" in get_text(person.get(f"/review/{email}"))


def test_the_guards_word_is_shown_with_its_author(server: ServerUnderTest, person: Person) -> None:
    email = send(
        server,
        metadata={
            "guard_action": "hold", "guard_code": "new_recipient", "guard_label": "unknown",
            "guard_standing": "new", "guard_reasons": "seen only in mail; no proof",
            "guard_policy": "strict", "run": "r-17",
        },
    )  # fmt: skip
    shown = get_text(person.get(f"/review/{email}"))
    for words in ("Decision hold", "Code new_recipient", "Label of the mail it had read unknown",
                  "Standing of the sender new", "Policy strict", "seen only in mail", "no proof",
                  "this server has not checked it", "run r-17"):  # fmt: skip
        assert words in shown
    assert "Look closely" in get_text(person.get("/"))


def test_the_thread_is_beside_the_reply(server: ServerUnderTest, person: Person) -> None:
    server.deliver("Where is my order?", subject="Order 9", sender="ann@example.org")
    inbound = server.wait_for_message("Order 9")
    with server.http("agent") as agent:
        path = f"/v1/mailboxes/{server.mailbox.id}/reply/{inbound['id']}"
        reply = agent.post(path, json={"markdown": "On its way"}).json()
    shown = get_text(person.get(f"/review/{reply['id']}"))
    assert "They wrote ann@example.org" in shown
    assert "Where is my order?" in shown
    assert "We can't verify who sent this: anyone can write this address." in shown
    seen = server.wait_for_message("Order 9")
    assert seen["status"] == "unread", "a human's look marks nothing as read for the agent"


def test_the_expiry_is_the_servers(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    person = Person(server)
    email = send(server)
    clock.advance(timedelta(hours=70, minutes=30))
    person.sign_in(server.keys.reviewer)
    shown = get_text(person.get(f"/review/{email}"))
    assert "expires in 1 h 30 min" in shown
    queue = get_text(person.get("/"))
    assert "1 message awaits a decision." in queue
    assert "2 days 22 h ago" in queue
    fields = person.form(f"/review/{email}", f"/review/{email}/decide")
    clock.advance(timedelta(hours=1, minutes=30))
    late = person.post(f"/review/{email}/decide", {**fields, "action": "approve"})
    assert late.status_code == 409
    assert "expired" in get_text(late)
    assert get_status(server, email) == "expired"
    assert server.outbox() == []
    assert "Nothing awaits a decision." in get_text(person.get("/"))


def test_files_are_listed_and_only_ever_saved(server: ServerUnderTest, person: Person) -> None:
    content = b"<script>alert(1)</script>"
    file = {"name": "bill.html", "content_base64": base64.b64encode(content).decode(),
            "content_type": "text/html"}  # fmt: skip
    email = send(server, attachments=[file])
    page = person.get(f"/review/{email}")
    assert "1 file bill.html 25 bytes" in get_text(page)
    assert "bill.html: text/html, SHA-256" in get_text(page)
    address = page.text.split(f'href="/review/{email}/attachments/')[1].split('"')[0]
    saved = person.get(f"/review/{email}/attachments/{address}")
    assert saved.content == content
    assert saved.headers["content-type"] == "application/octet-stream"
    assert saved.headers["content-disposition"].startswith("attachment;")
    assert "sandbox" in saved.headers["content-security-policy"]
    assert person.get(f"/review/{send(server)}/attachments/{address}").status_code == 404
    whole = person.get(f"/review/{email}/raw")
    assert b"bill.html" in whole.content
    assert whole.headers["content-disposition"].startswith("attachment;")


def test_approving_sends_exactly_what_was_seen(server: ServerUnderTest, person: Person) -> None:
    email = send(server, subject="To be sent")
    decided = person.decide(email, "approve")
    assert decided.status_code == 303
    assert "Approved: “To be sent” was sent." in get_text(person.get("/"))
    assert "Approved" not in get_text(person.get("/"))
    assert [mail["id"] for mail in server.outbox() if mail["id"] == email] == [email]
    shown = get_text(person.get(f"/review/{email}"))
    assert "Decision approved by “reviewer”" in shown
    assert "Your decision" not in shown


def test_rejecting_keeps_the_reason(server: ServerUnderTest, person: Person) -> None:
    email = send(server)
    person.decide(email, "reject", "  Wrong price\r\nAsk first  ")
    with server.http("agent") as agent:
        mail = agent.get(f"/v1/mailboxes/{server.mailbox.id}/emails/{email}").json()
    assert (mail["status"], mail["decision_reason"]) == ("rejected", "Wrong price\nAsk first")
    assert email not in [mail["id"] for mail in server.outbox()]


def test_a_reason_has_a_limit(server: ServerUnderTest, person: Person) -> None:
    email = send(server)
    refused = person.decide(email, "reject", "x" * 2001)
    assert refused.status_code == 400
    assert "shorten it" in get_text(refused)
    assert get_status(server, email) == "pending_send_approval"


def test_second_of_two_reviewers_sees_the_first_decision(
    server: ServerUnderTest, person: Person
) -> None:
    email = send(server)
    fields = person.form(f"/review/{email}", f"/review/{email}/decide")
    with server.http("reviewer") as reviewer:
        reviewer.post("/v1/oversight/decide", json={"email_id": email, "action": "reject"})
    late = person.post(f"/review/{email}/decide", {**fields, "action": "approve"})
    assert late.status_code == 409
    assert "It was rejected" in get_text(late)
    assert email not in [mail["id"] for mail in server.outbox()]


@pytest.mark.parametrize("mark", ["", "0" * 64])
def test_a_decision_names_what_was_seen(server: ServerUnderTest, person: Person, mark: str) -> None:
    email = send(server)
    fields = person.form(f"/review/{email}", f"/review/{email}/decide")
    refused = person.post(f"/review/{email}/decide", {**fields, "action": "approve", "mark": mark})
    assert refused.status_code == 409
    assert "changed after this page was loaded, so nothing was decided" in get_text(refused)
    assert get_status(server, email) == "pending_send_approval"


def test_the_script_hears_of_a_change(server: ServerUnderTest, person: Person) -> None:
    email = send(server)
    before = person.get(f"/review/{email}/state").json()
    assert before["status"] == "pending_send_approval"
    person.decide(email, "reject")
    after = person.get(f"/review/{email}/state").json()
    assert (after["status"], after["mark"]) == ("rejected", before["mark"])


def test_inbound_mail_that_is_held(start: Start) -> None:
    server = start(oversight_mode="gated_all", mailbox_address="gated@multimail.test")
    server.deliver(HELD_HTML, sender="ceo@bank.example")
    email = str(server.wait_for_message("Urgent")["id"])
    person = Person(server)
    person.sign_in(server.keys.reviewer)
    page = person.get(f"/review/{email}")
    shown = get_text(page)
    assert "They wrote Your Bank ceo@bank.example" in shown
    assert "We can't verify who sent this" in shown
    assert "DKIM: no signature" in shown
    assert 'sandbox=""' in page.text
    frame = person.get(f"/review/{email}/html")
    assert "Pay now" in frame.text
    for gone in ("script", "onerror=", "https://", "http-equiv", "<form"):
        assert gone not in frame.text.replace('onerror="alert(1)"', "")
    policy = frame.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "allow-" not in policy
    assert person.get(f"/review/{email}/edit").status_code == 409
    person.decide(email, "approve")
    assert server.wait_for_message("Urgent")["status"] == "unread"


def test_what_left_and_what_came_are_listed(server: ServerUnderTest, person: Person) -> None:
    server.deliver("Hi", subject="Came in")
    server.wait_for_message("Came in")
    email = send(server, subject="Went out")
    person.decide(email, "approve")
    assert "Went out" in get_text(person.get("/outbox"))
    assert "Came in" not in get_text(person.get("/outbox"))
    assert "Came in" in get_text(person.get("/inbox"))
    trail = get_text(person.get("/audit"))
    assert "Approved by reviewer: Went out" in trail
    assert "Wrote by agent: Went out" in trail


def test_long_lists_are_paged(start: Start) -> None:
    server = start()
    person = Person(server)
    person.sign_in(server.keys.reviewer)
    for number in range(53):
        send(server, subject=f"Mail {number:03}")
    first = person.get("/outbox")
    older = first.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    second = person.get(older)
    assert "Mail 003" in get_text(first)
    assert "Mail 002" not in get_text(first)
    assert "Mail 002" in get_text(second)
    assert 'rel="next"' not in second.text


@pytest.mark.parametrize(
    ("evidence", "says"),
    [
        (
            {"dkim": [{"domain": "bank.example", "result": "pass", "aligned": True}]},
            "Signed by bank.example, which matches From (DKIM).",
        ),
        (
            {"dkim": [{"domain": "evil.test", "result": "pass", "aligned": False}]},
            "Nothing proves who sent it: anyone can write this From.",
        ),
        (
            {"spf": {"domain": "bank.example", "result": "pass", "aligned": True}},
            "It came from a server that bank.example allows (SPF); the content is not signed.",
        ),
        (
            {"dmarc": {"domain": "bank.example", "result": "fail", "policy": "reject"}},
            "bank.example says to distrust mail that fails its checks, as this does.",
        ),
        ({"dmarc": {"result": "temperror"}}, "DNS did not answer"),
        ({"structure": ["there is no From"]}, "The header is forged or broken: there is no From."),
        ({"arc": {"result": "pass", "sealer": "relay.test"}}, "ARC pass: relay.test"),
        ({"flags": ["seen before"]}, "Note: seen before"),
    ],
)
def test_sender_evidence_is_shown(
    server: ServerUnderTest, person: Person, evidence: dict[str, Any], says: str
) -> None:
    server.deliver("Hi", subject=f"Proof {says}")
    email = str(server.wait_for_message(f"Proof {says}")["id"])

    def learn(tx: Tx) -> None:
        message = tx.message(email)
        assert message is not None
        tx.update_message(message, message.status, authentication=evidence)

    server.services.context.store.write(learn)
    assert says in get_text(person.get(f"/review/{email}")).partition("What it says")[0]


def test_a_search_box_finds_mail(server: ServerUnderTest, person: Person) -> None:
    server.deliver("A needle in the hay.", subject="Came for the search")
    server.wait_for_message("Came for the search")
    found = person.get("/inbox?q=needle+hay*")
    assert "Came for the search" in get_text(found)
    assert 'value="needle hay*"' in found.text
    other = person.get("/inbox?q=needle+%3Cscript%3E%22+-hay")
    assert "No mail matches." in get_text(other)
    assert "needle <script>" not in other.text
    assert "Came for the search" not in get_text(person.get("/outbox?q=needle"))


def test_a_text_that_is_cut_says_so(server: ServerUnderTest, person: Person) -> None:
    server.deliver("Begin " + "word " * 3000 + "End.", subject="Long")
    question = server.wait_for_message("Long")
    with server.http("agent") as agent:
        path = f"/v1/mailboxes/{server.mailbox.id}/reply/{question['id']}"
        reply = agent.post(path, json={"markdown": "Short"}).json()["id"]
    shown = get_text(person.get(f"/review/{reply}"))
    assert "End." not in shown
    assert "Cut after 10,000 characters." in shown
