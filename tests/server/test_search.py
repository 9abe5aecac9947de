"""Full-text search and marks through the API: what is found, by whom, and what a mark changes."""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import httpx
import pytest
from tests.support.server import Json, ServerFixture, Start, accepted, refusal

from multimail_server.testing import VirtualClock


def search(server: ServerFixture, by: httpx.Client | None = None, **query: Any) -> list[Json]:
    rows: list[Json] = accepted((by or server.agent).get(f"{server.box}/search", params=query))[
        "emails"
    ]
    return rows


def find(
    server: ServerFixture, q: str = "", by: httpx.Client | None = None, **more: Any
) -> set[str]:
    return {row["subject"] for row in search(server, by, q=q, **more)}


def mark(server: ServerFixture, what: str, *rows: Json) -> httpx.Response:
    body = {"ids": [row["id"] for row in rows], "mark": what}
    return server.agent.patch(f"{server.box}/emails", json=body)


def with_file(subject: str, name: str) -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = "Zoë Brandt <zoe@shop.example>", subject
    message.set_content("See the file.")
    message.add_attachment(b"x", "application", "octet-stream", filename=name)
    return message.as_bytes()


@pytest.fixture
def server(start: Start) -> ServerFixture:
    """A server of each test's own: searches see all its mail."""
    return start()


@pytest.fixture
def mails(server: ServerFixture) -> ServerFixture:
    """A server with three received mails and a held send."""
    server.receive("The invoice of May is late.\n\nPay Größe 7 by Friday.", subject="Reminder",
                   sender="ann@other.example")  # fmt: skip
    server.receive("Lunch on Friday?", subject="Lunch")
    server.receive(with_file("Files", "plan-2026.pdf"), subject="Files")
    server.sent("bob@else.example", subject="Offer", markdown="An invoice follows.")
    return server


def test_mail_is_found_by_every_field(mails: ServerFixture) -> None:
    """The mails came in by SMTP, and one was sent; each is found as soon as it is there."""
    for query, expected in {
        "invoice": {"Reminder", "Offer"},
        "INVOICE -follows": {"Reminder"},
        '"groesse"': set(),
        '"grosse 7"': {"Reminder"},
        "frid*": {"Reminder", "Lunch"},
        "plan 2026": {"Files"},
        "zoe": {"Files"},
        "bob@else.example": {"Offer"},
        "from:zoe": {"Files"},
        "from:shop.example has:attachment": {"Files"},
        "to:bob invoice": {"Offer"},
        "subject:rem": {"Reminder"},
        "-subject:lunch friday": {"Reminder"},
        "-has:attachment in:inbox": {"Reminder", "Lunch"},
        "in:sent": {"Offer"},
        "is:unread -from:ann": {"Lunch", "Files"},
        "label:own": {"Offer"},
        "label:nonsense invoice": set(),
        "after:2099-01-01": set(),
        "before:2099-01-01T00:00:00+01:00 lunch": {"Lunch"},
        "after:never invoice": set(),
        "from:": set(),
    }.items():
        assert find(mails, query) == expected, query
    everything = {"Reminder", "Lunch", "Files", "Offer"}
    cases: tuple[tuple[Json, set[str]], ...] = (
        ({}, everything),
        ({"sender": "ann@other"}, {"Reminder"}),
        ({"recipient": "bob", "subject": "off"}, {"Offer"}),
        ({"unread": True}, everything - {"Offer"}),
        ({"unread": False}, {"Offer"}),
        ({"direction": "outbound"}, {"Offer"}),
        ({"has_attachments": True}, {"Files"}),
        ({"label": "own"}, {"Offer"}),
        ({"date_before": "2001-01-01"}, set()),
        ({"q": "friday", "sender": "ann"}, {"Reminder"}),
    )
    for params, expected in cases:
        assert find(mails, **params) == expected, params


def test_tags_and_threads_narrow(mails: ServerFixture) -> None:
    (row,) = search(mails, q="lunch")
    path = f"{mails.box}/emails/{row['id']}/tags"
    mails.agent.put(path, json={"tags": {"kind": "food", "todo": "true"}})
    for query in ("tag:todo", "tag:kind=food", "tag:kind friday", f"thread:{row['thread_id']}"):
        assert find(mails, query) == {"Lunch"}, query
    assert find(mails, "tag:kind=other") == find(mails, "tag:kind invoice") == set()
    assert find(mails, tag="kind=food", thread_id=row["thread_id"]) == {"Lunch"}


def test_a_snippet_shows_the_match(server: ServerFixture) -> None:
    text = f"{'Some words before. ' * 40}Then the Größe of the\nbill.{' And after.' * 40}"
    server.receive(text, subject="Long")
    (row,) = search(server, q="grosse bill")
    snippet = row["snippet"]
    assert "Größe of the bill. And after." in snippet
    assert (snippet[0], snippet[-1], len(snippet) <= 200) == ("…", "…", True)
    (row,) = search(server, q="subject:long")
    assert row["snippet"].startswith("Some words before.")
    (row,) = search(server, q="long")
    assert row["snippet"] is None


def test_any_text_of_10_kb_is_answered(mails: ServerFixture) -> None:
    for text in ("invoice ", '"', "NEAR(", "\0", "会", "🎉é\u0301 OR ", "from:", "-", "a* AND "):
        query = (text * 10_240)[: 10_240 // len(text.encode()) * len(text)]
        assert mails.agent.get(f"{mails.box}/search", params={"q": query}).status_code == 200, text
        accepted(mails.agent.get(f"{mails.box}/search", params={"sender": query[:500]}))


def test_pages_follow_each_other(server: ServerFixture) -> None:
    for number in range(7):
        server.receive("The same words.", subject=f"n{number}")
    seen, params = [], {"q": "same", "limit": 3}
    while True:
        page = accepted(server.agent.get(f"{server.box}/search", params=params))
        seen += [row["subject"] for row in page["emails"]]
        server.receive("The same words.", subject=f"later{len(seen)}")
        if page["cursor"] is None:
            break
        params["cursor"] = page["cursor"]
    assert seen == [f"n{number}" for number in range(6, -1, -1)]


@pytest.mark.parametrize(
    "params",
    [{"limit": "0"}, {"cursor": "x"}, {"label": "x"}, {"unread": "x"}, {"date_after": "x"}],
    ids=str,
)
def test_a_bad_filter_is_named(server: ServerFixture, params: dict[str, str]) -> None:
    reply = server.agent.get(f"{server.box}/search", params=params)
    assert refusal(reply) == (400, "invalid_request")
    assert f"`{next(iter(params))}`" in reply.json()["error"]


def test_hidden_mail_is_found_by_reviewers_alone(start: Start) -> None:
    server = start(oversight_mode="gated_all")
    server.deliver("The secret word.", subject="Hidden")
    row = server.wait_for_message("Hidden")
    assert find(server, "secret", by=server.reviewer) == {"Hidden"}
    assert search(server, q="secret") == search(server, q="-other") == search(server) == []
    accepted(server.decide(row["id"]))
    assert find(server, "secret") == {"Hidden"}


def test_a_key_of_one_mailbox_searches_and_marks_that_one(mails: ServerFixture) -> None:
    other = accepted(mails.admin.post("/v1/mailboxes", json={"address": "other"}), 201)
    body = {"name": "bound", "scopes": ["read", "send"], "mailbox_id": other["id"]}
    key = accepted(mails.admin.post("/v1/api-keys", json=body), 201)["key"]
    rows = search(mails, q="lunch")
    with httpx.Client(base_url=mails.url, headers={"Authorization": f"Bearer {key}"}) as bound:
        own = f"/v1/mailboxes/{other['id']}"
        assert accepted(bound.get(f"{own}/search", params={"q": "lunch"}))["emails"] == []
        assert bound.get(f"{mails.box}/search").status_code == 404
        for path in (own, mails.box):
            marking = {"ids": [rows[0]["id"]], "mark": "archived"}
            assert bound.patch(f"{path}/emails", json=marking).status_code == 404
    assert find(mails, "lunch is:unread") == {"Lunch"}


def test_marks_change_what_the_inbox_lists(mails: ServerFixture) -> None:
    rows = mails.emails(direction="inbound")
    (lunch,) = search(mails, q="lunch")
    steps = [
        ("read", "read"), ("read", "read"), ("unread", "unread"), ("unread", "unread"),
        ("archived", "archived"), ("archived", "archived"), ("read", "archived"),
        ("unarchived", "read"), ("unarchived", "read"), ("archived", "archived"),
        ("unread", "unread"), ("spam", "spam_flagged"), ("spam", "spam_flagged"),
        ("archived", "archived"), ("unarchived", "read"),
    ]  # fmt: skip
    for what, status in steps:
        marked = accepted(mark(mails, what, lunch))["emails"]
        assert marked == [{"id": lunch["id"], "status": status}], what
        shown = {row["id"] for row in mails.emails(direction="inbound")}
        assert (lunch["id"] in shown) == (status != "archived")
        assert (lunch["id"] in {r["id"] for r in mails.emails(status="archived")}) == (
            status == "archived"
        )
        assert find(mails, "lunch") == {"Lunch"}
    assert accepted(mark(mails, "archived", *rows))["emails"] == [
        {"id": row["id"], "status": "archived"} for row in rows
    ]
    assert mails.emails(direction="inbound") == []
    assert find(mails, "is:archived") == {"Reminder", "Lunch", "Files"}
    assert len(mails.audit("email.mark", email_id=lunch["id"])) == 10


def test_a_mark_is_for_all_or_none(mails: ServerFixture) -> None:
    rows, (sent,) = mails.emails(direction="inbound"), search(mails, q="in:sent")
    assert refusal(mark(mails, "archived", rows[0], sent)) == (409, "not_inbound")
    assert refusal(mark(mails, "archived", rows[0], {"id": "msg_none"})) == (404, "not_found")
    assert refusal(mark(mails, "gone", rows[0])) == (400, "invalid_request")
    assert refusal(mark(mails, "read")) == (400, "invalid_request")
    assert refusal(mark(mails, "read", *rows * 40)) == (400, "invalid_request")
    accepted(mark(mails, "spam", rows[0]))
    assert refusal(mark(mails, "unread", rows[1], rows[0])) == (409, "flagged_as_spam")
    assert {row["status"] for row in mails.emails(direction="inbound")} == {
        "unread",
        "spam_flagged",
    }


def test_mail_that_is_not_shown_is_not_marked(start: Start) -> None:
    server = start(oversight_mode="gated_all")
    server.deliver("Text", subject="Hidden")
    row = server.wait_for_message("Hidden")
    for what in ("read", "unread", "archived", "unarchived", "spam"):
        assert refusal(mark(server, what, row)) == (409, "pending_approval")
    assert server.status(row["id"]) == "pending_inbound_approval"


def test_a_mail_that_is_marked_unread_did_not_come_again(mails: ServerFixture) -> None:
    """It is neither announced nor forwarded: its mailbox did not forward when it came."""
    (lunch,) = search(mails, q="lunch")
    accepted(mark(mails, "read", lunch))
    accepted(mails.configure(forward_inbound=["me@else.example"]), 200)
    accepted(mark(mails, "unread", lunch))
    assert mails.audit("email.forward") == []
    assert find(mails, "in:sent") == {"Offer"}


def test_what_retention_erases_is_not_found(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    server.receive("The secret word.", subject="Old")
    accepted(server.configure(retention_days=1))
    assert find(server, "secret") == {"Old"}
    clock.advance(timedelta(days=3))
    server.wait_until(lambda: not server.emails())
    assert search(server, q="secret") == search(server, q="subject:old") == []
