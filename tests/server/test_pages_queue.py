"""The queue of the review page: order, filters, several approvals at once, the next, and undo."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from tests.server.pages import Person, get_status, get_text

from multimail_server.testing import VirtualClock
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]
FRAUD = {"guard_action": "hold", "guard_code": "new_recipient",
         "guard_codes": "new_recipient payment_from_mail"}  # fmt: skip
HELD = {"guard_action": "hold", "guard_code": "recipient_from_mail"}


class Desk:
    """A server with virtual time, its agent, and a person who is signed in."""

    def __init__(self, server: ServerUnderTest) -> None:
        self.server, self.person = server, Person(server)
        self.person.sign_in(server.keys.reviewer)

    def send(self, subject: str, **more: object) -> str:
        body = {"to": ["ann@example.com"], "subject": subject, "markdown": "Hello", **more}
        with self.server.http("agent") as agent:
            path = f"/v1/mailboxes/{self.server.mailbox.id}/send"
            return str(agent.post(path, json=body).json()["id"])

    def revise(self, email: str, markdown: str) -> None:
        with self.server.http("agent") as agent:
            path = f"/v1/mailboxes/{self.server.mailbox.id}/emails/{email}/revise"
            assert agent.post(path, json={"markdown": markdown}).status_code == 200

    def get_subjects(self, path: str = "/") -> list[str]:
        return re.findall(r'class="subject">([^<]+)<', self.person.get(path).text)

    def get_picks(self) -> dict[str, str]:
        """Return what each row that can be selected would send, by the id of its message."""
        picks = re.findall(r'name="pick" value="([^"]+)"', self.person.get("/").text)
        return {pick.partition(":")[0]: pick for pick in picks}

    def approve_selected(self, picks: list[str]) -> httpx.Response:
        return self.person.post("/approve-selected", {"csrf": self.person.csrf(), "pick": picks})


@pytest.fixture
def desk(start: Start, clock: VirtualClock) -> Desk:
    """An empty queue."""
    return Desk(start(clock=clock, undo_seconds=10))


def test_the_riskiest_comes_first_and_then_the_oldest(desk: Desk) -> None:
    desk.send("Routine one")
    desk.send("From mail", metadata=HELD)
    desk.send("Routine two")
    desk.send("Fraud", metadata=FRAUD)
    assert desk.get_subjects() == ["Fraud", "From mail", "Routine one", "Routine two"]
    assert "Possible payment fraud" in get_text(desk.person.get("/"))
    assert desk.get_subjects("/?risk=risky") == ["Fraud", "From mail"]
    assert desk.get_subjects("/?risk=routine&q=TWO") == ["Routine two"]
    assert desk.get_subjects("/?q=nothing-like-it") == []
    assert "4 messages" in get_text(desk.person.get("/?q=one"))
    assert desk.person.get("/?risk=odd").status_code == 400


def test_only_what_a_row_shows_whole_can_be_approved_with_others(desk: Desk) -> None:
    desk.person.decide(desk.send("First"), "approve")
    desk.server.advance(20)
    routine = [desk.send("Routine one"), desk.send("Routine two")]
    file = {"name": "a.txt", "content_base64": "eA=="}
    for refused in (
        {"to": ["new@example.com"]},
        {"attachments": [file]},
        {"metadata": HELD},
        {"markdown": "word " * 200},
        {"cc": ["hidden@example.com"]},
        {"bcc": ["hidden@example.com"]},
        {"markdown": "<p>Hello</p>"},
        {"markdown": "![Hello](https://example.com/seen.png)"},
        {"markdown": "Hel\u200blo"},
        {"send_at": "2026-01-03T00:00:00Z", "gate_timing": "gate_first"},
    ):
        desk.send("Not harmless", **refused)
    revised = desk.send("Revised")
    desk.revise(revised, "Other words")
    assert list(desk.get_picks()) == routine
    # A form that is made up approves no more than the page offers.
    with desk.server.http("reviewer") as reviewer:
        row = reviewer.get(f"/v1/mailboxes/{desk.server.mailbox.id}/emails/{revised}").json()
    done = desk.approve_selected([f"{revised}:{row['content_hash']}"])
    assert "needs a closer look" in get_text(desk.person.get(done.headers["location"]))
    assert get_status(desk.server, revised) == "pending_send_approval"


def test_a_row_names_every_recipient(desk: Desk) -> None:
    desk.send("Three", cc=["bob@example.com"], bcc=["carol@example.com"])
    shown = get_text(desk.person.get("/"))
    assert "To ann@example.com , Cc bob@example.com , Bcc carol@example.com" in shown


def test_several_are_approved_each_by_its_content(desk: Desk) -> None:
    desk.person.decide(desk.send("First"), "approve")
    desk.server.advance(20)
    one, two, three = desk.send("One"), desk.send("Two"), desk.send("Three")
    picks = desk.get_picks()
    desk.revise(two, "Other words")
    done = desk.approve_selected([picks[one], picks[two]])
    shown = get_text(desk.person.get(done.headers["location"]))
    assert "Approved 1 message." in shown
    assert "Not approved: The message changed" in shown
    desk.server.advance(20)
    states = [get_status(desk.server, email) for email in (one, two, three)]
    assert states == ["sent", "pending_send_approval", "pending_send_approval"]
    assert "Nothing was selected" in get_text(
        desk.person.get(desk.approve_selected([]).headers["location"])
    )


def test_a_decision_leads_to_the_next_message(desk: Desk) -> None:
    routine, fraud = desk.send("Routine"), desk.send("Fraud", metadata=FRAUD)
    decided = desk.person.decide(fraud, "reject")
    assert decided.headers["location"] == f"/review/{routine}"
    decided = desk.person.decide(routine, "reject")
    assert decided.headers["location"] == "/"


def test_the_next_message_is_the_next_of_the_list_that_the_person_works_on(desk: Desk) -> None:
    fraud = desk.send("Fraud left open", metadata=FRAUD)
    one, two, three = desk.send("One"), desk.send("Two"), desk.send("Three")
    assert desk.person.decide(two, "reject").headers["location"] == f"/review/{three}"
    assert desk.person.decide(three, "reject").headers["location"] == f"/review/{fraud}"
    four = desk.send("Four")
    page = desk.person.get("/?risk=routine").text
    assert f'href="/review/{one}?risk=routine"' in page
    decided = desk.person.decide(one, "reject", query="?risk=routine")
    assert decided.headers["location"] == f"/review/{four}?risk=routine"


def test_an_approval_is_taken_back_before_the_message_leaves(desk: Desk) -> None:
    email = desk.send("Too early")
    decided = desk.person.decide(email, "approve")
    assert get_status(desk.server, email) == "scheduled"
    shown = desk.person.get(decided.headers["location"])
    assert "leaves in a few seconds" in get_text(shown)
    desk.server.advance(9)
    undone = desk.person.post("/undo", desk.person.form(decided.headers["location"], "/undo"))
    assert undone.headers["location"] == f"/review/{email}"
    desk.server.advance(60)
    assert get_status(desk.server, email) == "pending_send_approval"
    assert desk.server.outbox() == []
    shown_again = get_text(desk.person.get(f"/review/{email}"))
    assert "never written to ann@example.com" in shown_again
    assert "Took an approval back" in get_text(desk.person.get("/audit"))


def test_what_left_is_not_taken_back(desk: Desk) -> None:
    email = desk.send("On time")
    decided = desk.person.decide(email, "approve")
    fields = desk.person.form(decided.headers["location"], "/undo")
    desk.server.advance(10)
    late = desk.person.post("/undo", fields)
    assert "can no longer be taken back" in get_text(desk.person.get(late.headers["location"]))
    assert get_status(desk.server, email) == "sent"
    assert 'action="/undo"' not in desk.person.get(decided.headers["location"]).text


def test_only_who_approved_takes_it_back(desk: Desk) -> None:
    email = desk.send("Approved by another")
    decided = desk.person.decide(email, "approve")
    with desk.server.http("admin") as admin:
        body = {"name": "other", "scopes": ["read", "oversight"]}
        other = admin.post("/v1/api-keys", json=body).json()["key"]
    colleague = Person(desk.server)
    colleague.sign_in(other)
    assert 'action="/undo"' not in colleague.get(decided.headers["location"]).text
    colleague.post("/undo", {"csrf": colleague.csrf(), "email": email})
    desk.server.advance(timedelta(seconds=20).total_seconds())
    assert get_status(desk.server, email) == "sent"


def test_a_decision_by_the_api_is_carried_out_at_once(desk: Desk) -> None:
    email = desk.send("By the API")
    with desk.server.http("reviewer") as reviewer:
        body = {"email_id": email, "action": "approve"}
        decision = reviewer.post("/v1/oversight/decide", json=body).json()
    assert decision["status"] == "approved_and_sent"
