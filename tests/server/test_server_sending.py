"""Sending: one send is one email; replies, schedules, and hostile requests."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import httpx
import pytest

from multimail_server.testing import VirtualClock
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]
Json = dict[str, Any]
MAIL: Json = {"to": ["ann@example.com"], "subject": "Offer", "markdown": "Hello"}


def send(client: httpx.Client, server: ServerUnderTest, **more: Any) -> httpx.Response:
    return client.post(f"/v1/mailboxes/{server.mailbox.id}/send", json={**MAIL, **more})


def test_an_idempotency_key_sends_once(server: ServerUnderTest, agent: httpx.Client) -> None:
    first = send(agent, server, idempotency_key="once")
    again = send(agent, server, idempotency_key="once")
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["status"] == "already_sent"
    assert again.json()["idempotent"] is True
    assert again.json()["message_status"] == "pending_send_approval"
    other = send(agent, server, idempotency_key="once", subject="Another")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")


def test_sends_at_once_under_one_key_make_one_message(
    server: ServerUnderTest, agent: httpx.Client
) -> None:
    barrier = threading.Barrier(8)

    def race(_: int) -> httpx.Response:
        barrier.wait(10)
        return send(agent, server, idempotency_key="race", subject="Race")

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(race, range(8)))
    assert sorted(reply.status_code for reply in replies) == [200] * 7 + [202]
    assert len({reply.json()["id"] for reply in replies}) == 1
    rows = agent.get(
        f"/v1/mailboxes/{server.mailbox.id}/emails", params={"subject_contains": "Race"}
    )
    assert len(rows.json()["emails"]) == 1


def test_an_idempotency_key_is_forgotten_after_a_day(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    agent = server.http("agent")
    first = send(agent, server, idempotency_key="day").json()
    clock.advance(timedelta(hours=23))
    assert send(agent, server, idempotency_key="day").status_code == 200
    clock.advance(timedelta(hours=1))
    later = send(agent, server, idempotency_key="day")
    assert later.status_code == 202
    assert later.json()["id"] != first["id"]


def test_a_reply_stays_in_its_thread(server: ServerUnderTest, agent: httpx.Client) -> None:
    server.deliver(
        "Question?",
        subject="Ask",
        sender="bob@example.com",
        headers={"Reply-To": "desk@example.com", "Cc": "carl@example.com"},
    )
    asked = server.wait_for_message("Ask")
    path = f"/v1/mailboxes/{server.mailbox.id}/reply/{asked['id']}"
    answered = agent.post(path, json={"markdown": "Answer.", "reply_all": True})
    assert answered.status_code == 202
    told = agent.get(f"/v1/mailboxes/{server.mailbox.id}/emails/{answered.json()['id']}").json()
    assert told["thread_id"] == asked["thread_id"]
    assert told["to"] == ["desk@example.com"]
    assert told["cc"] == ["carl@example.com"]
    assert told["subject"] == "Re: Ask"
    assert told["in_reply_to"] == asked["rfc_message_id"]
    assert told["references"] == [asked["rfc_message_id"]]
    raw = agent.get(f"/v1/mailboxes/{server.mailbox.id}/emails/{told['id']}/raw").content
    parsed = message_from_bytes(raw, policy=policy.default)
    assert parsed["In-Reply-To"] == asked["rfc_message_id"]
    thread = agent.get(f"/v1/mailboxes/{server.mailbox.id}/threads/{asked['thread_id']}").json()
    assert thread["message_count"] == 2
    assert thread["has_unanswered_inbound"] is False


def test_the_same_reply_within_a_minute_is_refused(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    agent = server.http("agent")
    server.deliver(subject="Ask")
    asked = server.wait_for_message("Ask")
    path = f"/v1/mailboxes/{server.mailbox.id}/reply/{asked['id']}"
    assert agent.post(path, json={"markdown": "Yes."}).status_code == 202
    again = agent.post(path, json={"markdown": "Yes."})
    assert (again.status_code, again.json()["code"]) == (409, "duplicate_reply")
    assert agent.post(path, json={"markdown": "No."}).status_code == 202
    clock.advance(timedelta(seconds=61))
    assert agent.post(path, json={"markdown": "Yes."}).status_code == 202


def test_an_answer_to_our_reply_joins_the_thread(
    server: ServerUnderTest, agent: httpx.Client
) -> None:
    sent = send(agent, server, subject="Long talk").json()
    told = agent.get(f"/v1/mailboxes/{server.mailbox.id}/emails/{sent['id']}").json()
    server.deliver("Back", subject="Whatever", headers={"In-Reply-To": told["rfc_message_id"]})
    assert server.wait_for_message("Whatever")["thread_id"] == sent["thread_id"]
    follow = agent.post(
        f"/v1/mailboxes/{server.mailbox.id}/reply/{sent['id']}", json={"markdown": "PS"}
    ).json()
    more = agent.get(f"/v1/mailboxes/{server.mailbox.id}/emails/{follow['id']}").json()
    assert (more["to"], more["subject"]) == (["ann@example.com"], "Re: Long talk")


def test_a_scheduled_message_is_decided_first_and_sent_at_its_time(
    start: Start, clock: VirtualClock
) -> None:
    server = start(clock=clock)
    agent, reviewer = server.http("agent"), server.http("reviewer")
    moment = (clock.now() + timedelta(hours=5)).isoformat()
    sent = send(agent, server, send_at=moment).json()
    assert sent["held"] is True
    body = {"email_id": sent["id"], "action": "approve"}
    decided = reviewer.post("/v1/oversight/decide", json=body).json()
    assert (decided["status"], decided["message_status"]) == ("approved", "scheduled")
    clock.advance(timedelta(hours=4, minutes=59))
    assert server.outbox() == []
    clock.advance(timedelta(minutes=1))
    server.wait_for_message(lambda mail: mail["status"] == "sent", direction="outbound")
    assert [mail["id"] for mail in server.outbox()] == [sent["id"]]


def test_moving_an_approved_message_asks_again(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    agent, reviewer = server.http("agent"), server.http("reviewer")
    moment = (clock.now() + timedelta(hours=5)).isoformat()
    sent = send(agent, server, send_at=moment).json()
    body = {"email_id": sent["id"], "action": "approve"}
    reviewer.post("/v1/oversight/decide", json=body)
    path = f"/v1/mailboxes/{server.mailbox.id}/emails/{sent['id']}/schedule"
    frozen = agent.patch(path, json={"markdown": "Other"})
    assert (frozen.status_code, frozen.json()["code"]) == (409, "content_frozen")
    later = (clock.now() + timedelta(hours=6)).isoformat()
    moved = agent.patch(path, json={"send_at": later}).json()
    assert moved["status"] == "pending_send_approval"
    assert moved["content_hash"] != sent["content_hash"]
    clock.advance(timedelta(hours=7))
    assert server.outbox() == []
    past = agent.patch(path, json={"send_at": "2001-01-01T00:00:00Z"})
    assert past.status_code == 400


def test_an_autonomous_scheduled_message_can_be_moved_and_cancelled(
    start: Start, clock: VirtualClock
) -> None:
    server = start(clock=clock, oversight_mode="autonomous")
    agent = server.http("agent")
    moment = (clock.now() + timedelta(hours=5)).isoformat()
    sent = send(agent, server, send_at=moment).json()
    path = f"/v1/mailboxes/{server.mailbox.id}/emails/{sent['id']}"
    later = (clock.now() + timedelta(hours=6)).isoformat()
    assert agent.patch(f"{path}/schedule", json={"send_at": later}).json()["status"] == "scheduled"
    assert agent.post(f"{path}/cancel").json()["status"] == "cancelled"
    clock.advance(timedelta(hours=9))
    assert server.outbox() == []


def test_a_mailbox_adds_its_signature_and_copies(start: Start) -> None:
    server = start(oversight_mode="autonomous")
    agent, admin = server.http("agent"), server.http("admin")
    settings = {"signature_block": "The desk", "auto_cc": ["log@example.com"]}
    admin.patch(f"/v1/mailboxes/{server.mailbox.id}/configure", json=settings)
    send(agent, server)
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
    "unicode recipient": {"to": ["änn@example.com"]},
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
    server: ServerUnderTest, agent: httpx.Client, more: Json
) -> None:
    reply = send(agent, server, **more)
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
    server: ServerUnderTest, body: bytes, method: str, path: str, role: str
) -> None:
    with server.http(role) as client:
        reply = client.request(method, path.replace("{box}", server.mailbox.id), content=body)
    assert reply.status_code == 400, reply.text
    assert reply.json()["code"] == "invalid_request"
    assert reply.json()["error"].endswith(".")


def test_a_body_that_is_too_large_is_not_read(server: ServerUnderTest, agent: httpx.Client) -> None:
    small = agent.post("/v1/contacts", content=b"x" * 300_000)
    assert (small.status_code, small.json()["code"]) == (413, "body_too_large")
    stream = agent.post("/v1/contacts", content=iter([b"x" * 100_000] * 4))
    assert stream.status_code == 413


def test_the_largest_allowed_message_is_taken(start: Start) -> None:
    server = start()
    agent, reviewer = server.http("agent"), server.http("reviewer")
    most = {
        "to": [f"a{n}@example.com" for n in range(50)],
        "subject": "s" * 998,
        "markdown": "m" * 262_144,
        "attachments": [file(content=b"x" * 20_000_000)],
    }
    sent = send(agent, server, **most)
    assert sent.status_code == 202, sent.text[:300]
    body = {"email_id": sent.json()["id"], "action": "approve"}
    assert reviewer.post("/v1/oversight/decide", json=body).status_code == 200
    server.wait_for_message(lambda mail: mail["status"] == "sent", direction="outbound")


def test_metadata_is_kept_and_audited(
    server: ServerUnderTest, agent: httpx.Client, admin: httpx.Client
) -> None:
    sent = send(agent, server, metadata={"ticket": "T-1"}).json()
    path = f"/v1/mailboxes/{server.mailbox.id}/emails/{sent['id']}"
    assert agent.get(path).json()["metadata"] == {"ticket": "T-1"}
    log = admin.get("/v1/audit-log").json()["entries"]
    entry = next(e for e in log if e["action"] == "email.send" and e["resource_id"] == sent["id"])
    assert entry["metadata"]["metadata"] == {"ticket": "T-1"}
    assert "Hello" not in str(entry)
