"""Sending: one send is one email; replies, schedules, and hostile requests."""

from __future__ import annotations

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email import message_from_bytes, policy

import httpx
import pytest
from tests.support.server import Json, ServerFixture, Start, refusal

from multimail_server.testing import VirtualClock


def test_an_idempotency_key_sends_once(server: ServerFixture, agent: httpx.Client) -> None:
    first = server.send(idempotency_key="once")
    again = server.send(idempotency_key="once")
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["status"] == "already_sent"
    assert again.json()["idempotent"] is True
    assert again.json()["message_status"] == "pending_send_approval"
    other = server.send(idempotency_key="once", subject="Another")
    assert refusal(other) == (409, "idempotency_mismatch")


def test_sends_at_once_under_one_key_make_one_message(
    server: ServerFixture, agent: httpx.Client
) -> None:
    barrier = threading.Barrier(8)

    def race(_: int) -> httpx.Response:
        barrier.wait(60)
        return server.send(idempotency_key="race", subject="Race")

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(race, range(8)))
    assert sorted(reply.status_code for reply in replies) == [200] * 7 + [202]
    assert len({reply.json()["id"] for reply in replies}) == 1
    rows = agent.get(f"{server.box}/emails", params={"subject_contains": "Race"})
    assert len(rows.json()["emails"]) == 1


def test_an_idempotency_key_is_forgotten_after_a_day(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    first = server.sent(idempotency_key="day")
    clock.advance(timedelta(hours=23))
    assert server.send(idempotency_key="day").status_code == 200
    clock.advance(timedelta(hours=1))
    later = server.send(idempotency_key="day")
    assert later.status_code == 202
    assert later.json()["id"] != first["id"]


def test_a_reply_stays_in_its_thread(server: ServerFixture, agent: httpx.Client) -> None:
    server.deliver(
        "Question?",
        subject="Ask",
        sender="bob@example.com",
        headers={"Reply-To": "desk@example.com", "Cc": "carl@example.com"},
    )
    question = server.wait_for_message("Ask")
    path = f"{server.box}/reply/{question['id']}"
    answered = agent.post(path, json={"markdown": "Answer.", "reply_all": True})
    assert answered.status_code == 202
    row = agent.get(f"{server.box}/emails/{answered.json()['id']}").json()
    assert row["thread_id"] == question["thread_id"]
    assert row["to"] == ["desk@example.com"]
    assert row["cc"] == ["carl@example.com"]
    assert row["subject"] == "Re: Ask"
    assert row["in_reply_to"] == question["rfc_message_id"]
    assert row["references"] == [question["rfc_message_id"]]
    raw = agent.get(f"{server.box}/emails/{row['id']}/raw").content
    parsed = message_from_bytes(raw, policy=policy.default)
    assert parsed["In-Reply-To"] == question["rfc_message_id"]
    thread = agent.get(f"{server.box}/threads/{question['thread_id']}").json()
    assert thread["message_count"] == 2
    assert thread["has_unanswered_inbound"] is False


def test_the_same_reply_within_a_minute_is_refused(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    agent = server.agent
    server.deliver(subject="Ask")
    question = server.wait_for_message("Ask")
    path = f"{server.box}/reply/{question['id']}"
    assert agent.post(path, json={"markdown": "Yes."}).status_code == 202
    again = agent.post(path, json={"markdown": "Yes."})
    assert refusal(again) == (409, "duplicate_reply")
    assert agent.post(path, json={"markdown": "No."}).status_code == 202
    clock.advance(timedelta(seconds=61))
    assert agent.post(path, json={"markdown": "Yes."}).status_code == 202


def test_an_answer_to_our_reply_joins_the_thread(
    server: ServerFixture, agent: httpx.Client
) -> None:
    sent = server.sent(subject="Long talk")
    row = agent.get(f"{server.box}/emails/{sent['id']}").json()
    server.deliver("Back", subject="Whatever", headers={"In-Reply-To": row["rfc_message_id"]})
    assert server.wait_for_message("Whatever")["thread_id"] == sent["thread_id"]
    follow = agent.post(f"{server.box}/reply/{sent['id']}", json={"markdown": "PS"}).json()
    more = agent.get(f"{server.box}/emails/{follow['id']}").json()
    assert (more["to"], more["subject"]) == (["ann@other.test"], "Re: Long talk")


def test_a_mailbox_adds_its_signature_and_copies(start: Start) -> None:
    server = start(oversight_mode="autonomous")
    server.configure(signature_block="The desk", auto_cc=["log@example.com"])
    server.send()
    mail = server.wait_for_message("Offer", direction="outbound")
    assert mail["markdown"] == "Hello\n\n-- \nThe desk"
    assert mail["cc"] == ["log@example.com"]


def file(name: str = "a.txt", content: bytes = b"x", kind: str = "text/plain") -> Json:
    encoded = base64.b64encode(content).decode()
    return {"name": name, "content_base64": encoded, "content_type": kind}


BAD_SENDS: dict[str, Json] = {
    "no recipient": {"to": []},
    "recipient is null": {"to": None},
    "recipient is a number": {"to": [1]},
    "recipient is an object": {"to": {"email": "a@example.com"}},
    "51 recipients": {"to": [f"a{n}@example.com" for n in range(51)]},
    "51 copies": {"cc": [f"a{n}@example.com" for n in range(51)]},
    "no at": {"to": ["ann"]},
    "two ats": {"to": ["a@b@example.com"]},
    "spaces": {"to": ["ann lee@example.com"]},
    "display name": {"to": ["Ann <ann@example.com>"]},
    "list in one string": {"to": ["a@example.com, b@example.com"]},
    "line break in recipient": {"to": ["a@example.com\r\nBcc: b@example.com"]},
    "line break in cc": {"cc": ["a@example.com\nX: y"]},
    "line break in bcc": {"bcc": ["a@example.com\rX: y"]},
    "null in recipient": {"to": ["a\0@example.com"]},
    "empty recipient": {"to": [""]},
    "long recipient": {"to": ["a" * 65 + "@example.com"]},
    "longer recipient": {"to": ["a@" + "b." * 200 + "com"]},
    "invisible recipient": {"to": ["a\u200bnn@example.com"]},
    "recipient without a host": {"to": ["ann@bü cher.example"]},
    "line break in subject": {"subject": "Hi\r\nBcc: b@example.com"},
    "newline in subject": {"subject": "Hi\nX: y"},
    "unicode line break in subject": {"subject": "Hi\u2028X: y"},
    "long subject": {"subject": "s" * 999},
    "subject is null": {"subject": None},
    "subject is a list": {"subject": ["Hi"]},
    "markdown is missing": {"markdown": None},
    "markdown is a number": {"markdown": 5},
    "markdown is an object": {"markdown": {}},
    "long markdown": {"markdown": "m" * 262_145},
    "null in markdown": {"markdown": "a\0b"},
    "attachments is an object": {"attachments": {}},
    "attachment is a string": {"attachments": ["a.txt"]},
    "attachment without a name": {"attachments": [{"content_base64": "eA=="}]},
    "attachment without content": {"attachments": [{"name": "a.txt"}]},
    "attachment is not base64": {"attachments": [{"name": "a", "content_base64": "!!"}]},
    "attachment is cut base64": {"attachments": [{"name": "a", "content_base64": "eA="}]},
    "attachment name breaks the line": {"attachments": [file("a\r\nX: y")]},
    "attachment name has a slash": {"attachments": [file("../a")]},
    "attachment name is empty": {"attachments": [file("")]},
    "attachment type is no type": {"attachments": [file(kind="text")]},
    "attachment type breaks the line": {"attachments": [file(kind="text/plain\r\nX: y")]},
    "attachments of more than 20 MB": {"attachments": [file(content=b"x" * 21_000_000)]},
    "idempotency key is empty": {"idempotency_key": ""},
    "idempotency key is a number": {"idempotency_key": 1},
    "idempotency key is long": {"idempotency_key": "k" * 256},
    "idempotency key breaks the line": {"idempotency_key": "a\nb"},
    "send_at is no time": {"send_at": "tomorrow"},
    "send_at has no offset": {"send_at": "2030-01-01T00:00:00"},
    "send_at is a number": {"send_at": 5},
    "send_at is far away": {"send_at": "9999-12-31T23:59:59Z"},
    "send_at is before time": {"send_at": "0001-01-01T00:00:00+14:00"},
    "gate_timing is unknown": {"gate_timing": "whenever"},
    "gate_timing is a number": {"gate_timing": 1},
    "oversight_mode is unknown": {"oversight_mode": "yolo"},
    "oversight_mode is looser": {"oversight_mode": "autonomous"},
    "oversight_mode is a number": {"oversight_mode": 1},
    "metadata is a list": {"metadata": []},
    "metadata holds a number": {"metadata": {"a": 1}},
    "metadata is nested": {"metadata": {"a": {"b": "c"}}},
    "metadata is large": {"metadata": {"a": "b" * 3000}},
}


@pytest.mark.parametrize("more", BAD_SENDS.values(), ids=BAD_SENDS.keys())
def test_a_bad_send_is_refused_with_a_sentence(
    server: ServerFixture, agent: httpx.Client, more: Json
) -> None:
    reply = server.send(**more)
    assert reply.status_code == 400, reply.text
    answer = reply.json()
    assert set(answer) == {"error", "code", "request_id"}
    assert answer["error"].endswith(".")
    assert next(iter(more)) in answer["error"]
    assert answer["request_id"] == reply.headers["x-request-id"]


BAD_BODIES: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"{to: x}",
    "cut": b'{"to": ["a@exam',
    "a list": b"[]",
    "a string": b'"hello"',
    "null": b"null",
    "a number": b"1e999",
    "NaN": b'{"to": NaN}',
    "not UTF-8": b'{"subject": "\xff\xfe"}',
    "UTF-16": '{"to": []}'.encode("utf-16"),
    "half a surrogate pair": b'{"to":["a@example.com"],"subject":"\\ud800","markdown":"x"}',
    "deeply nested": b'{"to":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "form": b"to=a%40example.com&subject=x",
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("POST", "/v1/mailboxes/{box}/send", "agent"),
        ("POST", "/v1/oversight/decide", "reviewer"),
        ("PUT", "/v1/mailboxes/{box}/emails/msg_x/tags", "agent"),
        ("POST", "/v1/api-keys", "admin"),
        ("POST", "/v1/mailboxes", "admin"),
        ("POST", "/v1/contacts", "agent"),
    ],
)
def test_a_body_that_is_no_request_is_refused(
    server: ServerFixture, body: bytes, method: str, path: str, role: str
) -> None:
    with server.http(role) as client:
        reply = client.request(method, path.replace("{box}", server.mailbox.id), content=body)
    assert reply.status_code == 400, reply.text
    assert reply.json()["code"] == "invalid_request"
    assert reply.json()["error"].endswith(".")


def test_the_largest_allowed_message_is_taken(start: Start) -> None:
    server = start()
    most = {
        "to": [f"a{n}@example.com" for n in range(50)],
        "subject": "s" * 998,
        "markdown": "m" * 262_144,
        "attachments": [file(content=b"x" * 20_000_000)],
    }
    sent = server.send(**most)
    assert sent.status_code == 202, sent.text[:300]
    assert server.decide(sent.json()["id"]).status_code == 200
    server.wait_for_status(sent.json()["id"], "sent")


def test_metadata_is_kept_and_audited(
    server: ServerFixture, agent: httpx.Client, admin: httpx.Client
) -> None:
    sent = server.sent(metadata={"ticket": "T-1"})
    path = f"{server.box}/emails/{sent['id']}"
    assert agent.get(path).json()["metadata"] == {"ticket": "T-1"}
    [entry] = server.audit("email.send", email_id=sent["id"])
    assert entry["metadata"]["metadata"] == {"ticket": "T-1"}
    assert "Hello" not in str(entry)


@pytest.mark.parametrize(
    ("more", "references"),
    [
        ({}, "{own}"),
        ({"In-Reply-To": "<a@x.test>"}, "<a@x.test> {own}"),
        ({"In-Reply-To": "<a@x.test> <b@x.test>"}, "{own}"),
        ({"In-Reply-To": "<b@x.test>", "References": "<a@x.test>"}, "<a@x.test> {own}"),
        (
            {"References": " ".join(f"<r{at}@x.test>" for at in range(40))},
            " ".join(f"<r{at}@x.test>" for at in (0, *range(21, 40))) + " {own}",
        ),
    ],
)
def test_a_reply_names_its_thread(
    server: ServerFixture, agent: httpx.Client, more: dict[str, str], references: str
) -> None:
    question = server.receive(subject="AW: Lamp", headers=more)
    path = f"{server.box}/reply/{question['id']}"
    sent = agent.post(path, json={"markdown": "Yes."}).json()
    parsed = message_from_bytes(server.raw(sent["id"]), policy=policy.default)
    assert parsed["References"] == references.format(own=question["rfc_message_id"])
    assert (parsed["Subject"], parsed["In-Reply-To"]) == ("Re: Lamp", question["rfc_message_id"])
