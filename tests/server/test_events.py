"""GET /v1/events: what it contains for whom, from where on, and how a stream ends."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.support.server import Json, Start, accepted, refusal
from tests.support.webhook_receiver import WebhookReceiver

from multimail._sse import EventStreamParser, ServerSentEvent
from multimail_server.api import event_stream
from multimail_server.testing import VirtualClock

STREAM = {"Accept": "text/event-stream"}


def get_page(client: httpx.Client, after: str | None = "oldest", **query: Any) -> Json:
    return accepted(client.get("/v1/events", params={"after": after, **query}))


def list_types(client: httpx.Client, **query: Any) -> list[tuple[str, str]]:
    events = get_page(client, **query)["events"]
    return [(event["type"], event.get("subject", "hidden")) for event in events]


@contextmanager
def streaming(client: httpx.Client, **headers: str) -> Iterator[Iterator[ServerSentEvent]]:
    """Open a stream; return its blocks."""
    with client.stream("GET", "/v1/events", headers={**STREAM, **headers}) as response:
        assert response.status_code == 200
        parser = EventStreamParser()
        yield (block for chunk in response.iter_bytes() for block in parser.feed(chunk))


def test_a_page_has_what_webhooks_are_posted(start: Start, endpoint: WebhookReceiver) -> None:
    server = start(oversight_mode="autonomous")
    types = ["message.received", "message.sent", "message.delivered"]
    body = {"url": endpoint.url, "events": types}
    accepted(server.admin.post("/v1/webhooks", json=body), 201)
    server.deliver("The text.", subject="In")
    server.wait_for_status(server.sent(subject="Out")["id"], "sent")
    posted = {post.event["type"]: post.event for post in endpoint.wait(3)}
    page = get_page(server.agent)
    assert [event["type"] for event in page["events"]] == types
    for event in page["events"]:
        assert event["data"] == posted[event["type"]]["data"]
        assert event.keys() == posted[event["type"]].keys()
    assert page["cursor"] == page["events"][-1]["id"]
    assert get_page(server.agent, page["cursor"]) == {
        "events": [],
        "cursor": page["cursor"],
        "has_more": False,
    }
    assert server.audit("event.list")


def test_pages_follow_each_other_and_begin_now_without_an_id(start: Start) -> None:
    server = start()
    for subject in ("One", "Two", "Three"):
        server.deliver(subject=subject)
    now = get_page(server.agent, None)
    assert now["events"] == []
    first = get_page(server.agent, limit=2)
    assert (len(first["events"]), first["has_more"]) == (2, True)
    [last] = get_page(server.agent, first["cursor"], limit=2)["events"]
    assert last["subject"] == "Three"
    assert last["id"] == now["cursor"]
    ids = [event["id"] for event in (*first["events"], last)]
    assert ids == sorted(set(ids))


def test_types_and_mailboxes_filter(start: Start) -> None:
    server = start()
    other = server.create_mailbox("other")
    server.deliver(subject="Here")
    server.deliver(subject="There", to=other["address"])
    sent = server.sent(subject="Out")
    server.decide(sent["id"], "reject", reason="no")
    agent = server.agent
    assert list_types(agent, mailbox=other["id"]) == [("message.received", "There")]
    assert list_types(agent, mailbox=other["address"].upper()) == [("message.received", "There")]
    # Under the name that was asked for, as webhooks.
    assert list_types(agent, types="email.received, oversight.rejected") == [
        *(("email.received", "Here"), ("email.received", "There")),
        ("oversight.rejected", "Out"),
    ]
    [*_, rejected] = get_page(agent)["events"]
    assert (rejected["decision"], rejected["decision_reason"]) == ("reject", "no")
    bound = server.http(server.create_key("read", mailbox_id=other["id"])["key"])
    assert list_types(bound) == [("message.received", "There")]
    refused = bound.get("/v1/events", params={"mailbox": server.mailbox.id})
    assert refusal(refused) == (404, "not_found")
    sender = server.http(server.create_key("send")["key"])
    assert refusal(sender.get("/v1/events")) == (403, "missing_scope")


def test_nobody_reads_in_events_what_only_reviewers_see(start: Start) -> None:
    server = start(oversight_mode="gated_all")
    held = server.receive("A secret", subject="Secret")
    [pending] = get_page(server.agent)["events"]
    assert (pending["type"], pending["content_hidden"]) == ("oversight.pending", True)
    accepted(server.decide(held["id"]))
    assert [kind for kind, _ in list_types(server.agent)][1:] == [
        *("oversight.approved", "message.received")
    ]
    assert "ecret" not in json.dumps(get_page(server.agent, types="oversight.pending"))


def test_what_retention_erases_is_erased_here(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    accepted(server.configure(retention_days=1))
    message = server.receive("A secret", subject="Secret")
    clock.advance(timedelta(days=2))
    server.wait_until(lambda: "subject" not in get_page(server.agent)["events"][0])
    [event] = get_page(server.agent)["events"]
    assert (event["message_id"], event["content_hidden"]) == (message["id"], True)
    assert "ecret" not in json.dumps(event)


def test_old_events_go_and_who_missed_some_is_told(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    quiet = server.create_mailbox("quiet")
    begin = get_page(server.agent, None)["cursor"]
    server.deliver(subject="Old")
    first = get_page(server.agent, None)["cursor"]
    clock.advance(timedelta(days=20))
    server.deliver(subject="New")
    clock.advance(timedelta(days=11))
    server.wait_until(lambda: len(get_page(server.agent)["events"]) == 1)
    lost = server.agent.get("/v1/events", params={"after": begin})
    assert refusal(lost) == (410, "events_lost")
    resumed = get_page(server.agent, lost.json()["resume_after"])
    assert [event["subject"] for event in resumed["events"]] == ["New"]
    # Who had seen it, or would not have been sent it, has lost nothing.
    assert len(get_page(server.agent, first)["events"]) == 1
    assert get_page(server.agent, begin, mailbox=quiet["id"])["events"] == []
    assert get_page(server.agent, begin, types="message.bounced")["events"] == []


def test_an_id_of_another_server_is_no_position(start: Start, clock: VirtualClock) -> None:
    server, other = start(clock=clock), start()
    for each in (server, other):
        each.deliver()
    after = get_page(other.agent, None)["cursor"]
    refused = server.agent.get("/v1/events", params={"after": after})
    assert refusal(refused) == (410, "events_lost")
    assert get_page(server.agent, refused.json()["resume_after"])["events"] == []
    for wrong in ("evt_1", "msg_01M8QRWFWN0000000000000001", "evt_01m8qrwfwn0000000000000001"):
        assert refusal(server.agent.get("/v1/events", params={"after": wrong})) == (
            *(400, "invalid_after"),
        )


def test_a_stream_begins_with_its_position_and_goes_on_after_any(start: Start) -> None:
    server = start()
    server.deliver(subject="Before")
    with streaming(server.agent) as blocks:
        begin = next(blocks)
        assert begin.data is None
        server.deliver(subject="One")
        event = next(blocks)
        payload = json.loads(event.data or "")
        assert (payload["subject"], payload["id"]) == ("One", event.id)
        assert (event.type, payload["type"]) == ("message.received", "message.received")
    server.deliver(subject="Two")
    with streaming(server.agent, **{"Last-Event-ID": begin.id}) as blocks:
        assert next(blocks).id == begin.id
        subjects = [json.loads(next(blocks).data or "")["subject"] for _ in range(2)]
        assert subjects == ["One", "Two"]


def test_a_stream_is_kept_alive_and_not_kept_back(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT", 0.01)
    server = start()
    with server.agent.stream("GET", "/v1/events", headers=STREAM) as response:
        headers = response.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert "no-store" in headers["cache-control"]
        assert headers["x-accel-buffering"] == "no"
        lines = response.iter_lines()
        heads = [next(lines) for _ in range(5)]
        assert heads[0] == "retry: 1000"
        assert heads[3].startswith(":")
        assert heads[1] == heads[4]
        assert heads[1].startswith("id: evt_")
    head = server.agent.head("/v1/events", headers=STREAM)
    assert (head.status_code, head.content) == (200, b"")


def test_a_key_has_so_many_streams_and_gives_them_back(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "MAX_STREAMS_PER_KEY", 3)
    server = start()

    def open_stream(client: httpx.Client) -> httpx.Response:
        return client.send(client.build_request("GET", "/v1/events", headers=STREAM), stream=True)

    with ExitStack() as streams:
        opened = [streams.enter_context(streaming(server.agent)) for _ in range(3)]
        assert all(next(blocks).id for blocks in opened)
        refused = open_stream(server.agent)
        refused.read()
        assert refusal(refused) == (429, "too_many_streams")
        assert refused.headers["retry-after"]
        assert get_page(server.agent)["events"] == []
        other = open_stream(server.http(server.create_key("read")["key"]))
        other.close()
        assert other.status_code == 200
    # The server notices that they were closed: it need not be before the next request.
    statuses: set[int] = set()
    for _ in range(1000):
        again = open_stream(server.agent)
        again.close()
        statuses.add(again.status_code)
        if 200 in statuses:
            break
    assert 200 in statuses


@pytest.mark.parametrize("change", ["revoke", "scopes"])
def test_a_key_that_may_no_longer_read_gets_nothing_more(start: Start, change: str) -> None:
    server = start()
    key = server.create_key("read")
    path = f"/v1/api-keys/{key['id']}"
    with streaming(server.http(key["key"])) as blocks, streaming(server.agent) as others:
        assert (next(blocks).data, next(others).data) == (None, None)
        if change == "revoke":
            accepted(server.admin.delete(path))
        else:
            accepted(server.admin.patch(path, json={"scopes": ["send"]}))
        assert list(blocks) == []
        server.deliver(subject="For others")
        assert "For others" in (next(others).data or "")


def test_a_stop_ends_streams_at_once(start: Start) -> None:
    server = start()
    client = httpx.Client(
        base_url=server.url, headers={"Authorization": f"Bearer {server.keys.agent}"}
    )
    with client, streaming(client) as blocks:
        next(blocks)
        server.stop()
        assert list(blocks) == []


def test_a_client_that_reads_slowly_gets_everything(start: Start) -> None:
    """It takes one event at a time of more than the sockets' buffers hold."""
    server = start(oversight_mode="read_only")
    text = "x" * 60_000
    host, port = server.url.removeprefix("http://").split(":")
    parser = EventStreamParser()
    subjects: list[str] = []
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((host, int(port)))
        slow.sendall(
            b"GET /v1/events?types=message.received HTTP/1.0\r\nAccept: text/event-stream\r\n"
            b"Host: localhost\r\nAuthorization: Bearer " + server.keys.agent.encode() + b"\r\n\r\n"
        )
        data = slow.recv(4096)
        while b"id: evt_" not in data:
            data += slow.recv(4096)
        for number in range(30):
            server.deliver(text, subject=str(number))
        parser.feed(data.partition(b"\r\n\r\n")[2])
        while len(subjects) < 30:
            blocks = parser.feed(slow.recv(4096))
            subjects += [json.loads(block.data)["subject"] for block in blocks if block.data]
    assert subjects == [str(number) for number in range(30)]


def test_streams_of_two_processes_see_each_others_events(start: Start, database_url: str) -> None:
    first, second = start(database=database_url), start(database=database_url)
    agent = first.keys.agent
    with streaming(second.http(agent)) as blocks, streaming(first.http(agent)) as others:
        assert (next(blocks).data, next(others).data) == (None, None)
        first.deliver(subject="One")
        second.deliver(subject="Two", to=first.mailbox.address)
        for stream in (blocks, others):
            subjects = [json.loads(block.data)["subject"] for block in stream_events(stream, 2)]
            assert subjects == ["One", "Two"]


def stream_events(blocks: Iterator[ServerSentEvent], count: int) -> list[Any]:
    events = (block for block in blocks if block.data)
    return [next(events) for _ in range(count)]
