"""The queue of the review page: order, filters, several approvals at once, the next, and undo."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from tests.server.pages import Person, get_status, get_text

from multimail_server.mail.rendering import shorten
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

    def receive(self, sender: str, subject: str) -> str:
        mail = f"From: {sender}\nTo: {self.server.mailbox.address}\nSubject: {subject}\n\nHello?\n"
        self.server.deliver(mail.encode(), sender=sender)
        return str(self.server.wait_for_message(subject)["id"])

    def reply(self, email: str, **more: object) -> str:
        with self.server.http("agent") as agent:
            path = f"/v1/mailboxes/{self.server.mailbox.id}/reply/{email}"
            return str(agent.post(path, json={"markdown": "Hello", **more}).json()["id"])

    def get_subjects(self, path: str = "/") -> list[str]:
        return re.findall(r'class="subject">([^<]+)<', self.person.get(path).text)

    def get_picks(self) -> dict[str, str]:
        """Return what each row that can be selected would send, by the id of its message."""
        picks = re.findall(r'name="pick" value="([^"]+)"', self.person.get("/").text)
        return {pick.partition(":")[0]: pick for pick in picks}

    def approve_selected(self, picks: list[str]) -> httpx.Response:
        fields = {"csrf": self.person.csrf(), "pick": picks, "action": "approve"}
        return self.person.post("/approve-selected", fields)


def get_email(desk: Desk, email: str) -> dict[str, object]:
    with desk.server.http("reviewer") as reviewer:
        path = f"/v1/mailboxes/{desk.server.mailbox.id}/emails/{email}"
        return dict(reviewer.get(path).json())


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


def test_a_reply_that_goes_beyond_the_conversation_is_not_approved_with_others(desk: Desk) -> None:
    desk.person.decide(desk.send("First", to=["ann@example.com", "bob@example.com"]), "approve")
    desk.server.advance(20)
    question = desk.receive("ann@example.com", "Question")
    answer = desk.reply(question)
    assert list(desk.get_picks()) == [answer]
    assert "not only to who asked" not in get_text(desk.person.get("/"))
    desk.reply(question, bcc=["bob@example.com"])
    assert list(desk.get_picks()) == [answer]
    assert "not only to who asked" in get_text(desk.person.get("/"))


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
    assert "Nothing was approved" in get_text(
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


def test_taking_back_gives_no_more_time_than_there_was(desk: Desk) -> None:
    email = desk.send("Undone again and again")
    expiry = get_email(desk, email)["expires_at"]
    desk.server.advance(3600)
    decided = desk.person.decide(email, "approve")
    desk.person.post("/undo", desk.person.form(decided.headers["location"], "/undo"))
    assert get_email(desk, email)["expires_at"] == expiry


def test_the_approval_of_scheduled_mail_is_taken_back_on_its_page(desk: Desk) -> None:
    email = desk.send("Later", send_at="2026-01-03T00:00:00Z", gate_timing="gate_first")
    desk.person.decide(email, "approve")
    desk.server.advance(60)
    shown = desk.person.get(f"/review/{email}")
    assert "Take the approval back" in get_text(shown)
    desk.person.post("/undo", desk.person.form(f"/review/{email}", "/undo"))
    assert get_status(desk.server, email) == "pending_send_approval"


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


def test_the_script_looks_without_taking_a_sentence_from_another_tab(desk: Desk) -> None:
    decided = desk.person.decide(desk.send("Seen"), "reject")
    refresh = {"X-Multimail-Refresh": "1"}
    assert "goes no further" not in desk.person.client.get("/", headers=refresh).text
    assert "goes no further" in desk.person.get(decided.headers["location"]).text


def test_more_than_are_ranked_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for subject in ("One", "Two"):
        desk.send(subject)
    monkeypatch.setattr("multimail_server.services.review.MAX_RANKED", 2)
    assert "More than" not in get_text(desk.person.get("/"))
    desk.send("Three")
    assert "More than 2 messages wait." in get_text(desk.person.get("/"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**Bold** " * 300, "Bold Bold Bold …"),
        ("x" * 90, "x" * 16 + " …"),
        ("one\ntwo three four", "one two three …"),
        ("**short**", "short"),
    ],
    ids=["markup", "one-word", "lines", "whole"],
)
def test_a_shortened_text_has_whole_words_and_no_markup(text: str, shown: str) -> None:
    assert " ".join(shorten(text, 16, is_markdown=True)[0].split()) == shown


def test_long_lists_leave_the_first_screen_to_the_text(desk: Desk) -> None:
    desk.person.decide(desk.send("First"), "approve")
    desk.server.advance(20)
    others = [f"p{number}@example.com" for number in range(20)]
    reasons = "It names p0@example.com. " * 40
    more = {"cc": others, "metadata": {**HELD, "guard_reasons": reasons}}
    page = desk.person.get(f"/review/{desk.send('Long', **more)}").text
    shown = re.sub(r"<details.*?</details>", " ", page, flags=re.DOTALL)
    assert re.findall(r"p\d+@example.com", shown.partition('class="recipients"')[2]) == others[:6]
    assert "ann@example.com" not in shown, "new recipients come first"
    assert "15 more recipients" in page
    assert shown.count("It names p0@example.com.") < 10
    assert page.count("It names p0@example.com.") > 40, "all of it is folded away"


def test_a_key_that_only_decides_is_offered_no_link_that_is_refused(desk: Desk) -> None:
    with desk.server.http("admin") as admin:
        body = {"name": "decider", "scopes": ["oversight"]}
        key = admin.post("/v1/api-keys", json=body).json()["key"]
    answer = desk.reply(desk.receive("ann@example.com", "Question"))
    decider = Person(desk.server)
    decider.sign_in(key)
    pages = ["/", f"/review/{answer}", f"/review/{answer}/edit"]
    links = {
        link
        for page in pages
        for link in re.findall(r'<a [^>]*href="(/[^"]*)"', decider.get(page).text)
    }
    assert links >= set(pages)
    assert [link for link in links if decider.get(link).status_code != 200] == []


def test_several_approvals_do_not_wait_for_each_delivery(
    start: Start, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(start(clock=clock, undo_seconds=0))
    desk.person.decide(desk.send("First"), "approve")
    for subject in ("One", "Two"):
        desk.send(subject)
    picks = list(desk.get_picks().values())
    commits = desk.server.services.context.commits
    waits: list[object] = []
    monkeypatch.setattr(type(commits), "wait_for", lambda *given: waits.append(given))
    desk.approve_selected(picks)
    assert len(picks) == 2
    assert waits == []


def test_a_decision_by_the_api_is_carried_out_at_once(desk: Desk) -> None:
    email = desk.send("By the API")
    with desk.server.http("reviewer") as reviewer:
        body = {"email_id": email, "action": "approve"}
        decision = reviewer.post("/v1/oversight/decide", json=body).json()
    assert decision["status"] == "approved_and_sent"
