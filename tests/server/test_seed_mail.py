"""Seed mail: .eml, mbox, JSON and directories become received mail, by file and by request."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.server import ServerFixture, Start, refusal

from multimail_server import ServerStartError
from multimail_server.testing import VirtualClock

LETTER = (
    "Return-Path: <bounce@example.org>\r\nFrom: Ann <ann@example.org>\r\nTo: {to}\r\n"
    "Subject: {subject}\r\nMessage-ID: <{subject}@example.org>\r\n\r\nHello.\r\n"
)


def letter(subject: str, to: str = "agent@multimail.test") -> bytes:
    return LETTER.format(to=to, subject=subject).encode()


def mbox(*letters: bytes) -> bytes:
    start = b"From ann@example.org Thu Jan  1 00:00:00 2026\n"
    return b"".join(start + item.replace(b"\r\n", b"\n") + b"\n" for item in letters)


def subjects(server: ServerFixture, mailbox: str | None = None) -> list[str]:
    path = f"/v1/mailboxes/{mailbox or server.mailbox.id}/emails"
    rows = server.reviewer.get(path).json()["emails"]
    return [row["subject"] for row in reversed(rows)]


def post(server: ServerFixture, content: bytes | dict[str, Any]) -> httpx.Response:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return server.admin.post("/v1/test/seed", content=raw)


def test_a_server_starts_with_the_mail_of_a_directory(start: Start, tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(letter("one"))
    (tmp_path / "b.mbox").write_bytes(mbox(letter("two"), letter("three")))
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "c.json").write_text(
        json.dumps({"messages": [{"from": "bob@example.org", "subject": "four", "body": "4"}]})
    )
    (tmp_path / "notes.txt").write_text("no mail")
    server = start(seed_mail=tmp_path)
    assert subjects(server) == ["one", "two", "three", "four"]
    first = server.wait_for_message("one")
    assert (first["from"], first["envelope"]["mail_from"]) == (
        "ann@example.org",
        "bounce@example.org",
    )
    assert first["markdown"].strip() == "Hello."


def test_a_data_file_gets_its_seed_mail_once(start: Start, tmp_path: Path) -> None:
    seed = tmp_path / "one.json"
    seed.write_text(json.dumps({"messages": [{"from": "a@example.org", "subject": "once"}]}))
    first = start(data=tmp_path / "mail.db", seed_mail=seed)
    key = first.keys.agent
    first.stop()
    again = start(data=tmp_path / "mail.db", seed_mail=seed)
    with again.http(key) as agent:
        rows = agent.get(f"{again.box}/emails").json()["emails"]
    assert [row["subject"] for row in rows] == ["once"]


@pytest.mark.parametrize(
    ("name", "content", "message_part"),
    [
        ("a.json", b'{"messages": [{"subject": "x"}]}', "a.json: `messages.0.from`"),
        ("a.json", b'{"mail": []}', "`mail`"),
        (
            "a.json",
            b'{"mailboxes": [{"address": "x@elsewhere.test"}]}',
            "elsewhere.test",
        ),
        ("a.eml", b" \n", "holds no mail"),
        (None, b"", "cannot be read"),
    ],
)
def test_seed_mail_that_cannot_be_used_stops_the_start(
    start: Start, tmp_path: Path, name: str | None, content: bytes, message_part: str
) -> None:
    if name is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ServerStartError, match=message_part):
        start(seed_mail=tmp_path / (name or "missing.eml"))


def test_seed_mail_that_cannot_be_read_leaves_no_data_file_without_keys(
    start: Start, tmp_path: Path
) -> None:
    data = tmp_path / "mail.db"
    with pytest.raises(ServerStartError):
        start(data=data, seed_mail=tmp_path / "missing.eml")
    assert start(data=data).keys.agent


def test_an_empty_directory_is_a_mistake(start: Start, tmp_path: Path) -> None:
    with pytest.raises(ServerStartError, match=r"holds no \.eml"):
        start(seed_mail=tmp_path)


def test_the_json_form_in_full(start: Start) -> None:
    server = start(clock=VirtualClock())
    pdf = base64.b64encode(b"%PDF-1.4").decode()
    seed = {
        "mailboxes": [
            {"address": "support", "display_name": "Support", "oversight_mode": "gated_all"}
        ],
        "messages": [
            {
                "mailbox": "support",
                "from": "Ann Müller <ann@example.org>",
                "to": ["support@multimail.test", "list@example.org"],
                "cc": "bob@example.org",
                "subject": "Größe",
                "body": "plain",
                "html": "<p><b>plain</b></p>",
                "date": "2025-12-24T18:00:00+01:00",
                "headers": {"List-Id": "<news.example.org>"},
                "attachments": [
                    {"name": "a.txt", "content": "hello"},
                    {"name": "b.pdf", "content_base64": pdf, "content_type": "application/pdf"},
                ],
            }
        ],
        "threads": [
            {
                "subject": "Order 7",
                "messages": [
                    {"from": "carl@example.org", "body": "Where is it?"},
                    {"from": "dora@example.org", "body": "On its way."},
                    {"from": "carl@example.org", "subject": "Thanks", "body": "Good."},
                ],
            }
        ],
    }
    response = post(server, seed)
    assert response.status_code == 201, response.text
    (support,) = response.json()["mailboxes"]
    assert (support["display_name"], support["oversight_mode"]) == ("Support", "gated_all")
    held = server.wait_for_message(sender="ann@example.org")
    assert held["status"] == "pending_inbound_approval"
    assert (held["subject"], held["from_name"], held["markdown"].strip()) == (
        "Größe", "Ann Müller", "plain",
    )  # fmt: skip
    assert held["cc"] == ["bob@example.org"]
    files = {item["name"]: item["content_type"] for item in held["attachments"]}
    assert files == {"a.txt": "text/plain", "b.pdf": "application/pdf"}
    assert subjects(server) == ["Order 7", "Re: Order 7", "Thanks"]
    rows = [server.wait_for_message(item) for item in subjects(server)]
    assert len({row["thread_id"] for row in rows}) == 1
    raw = server.reviewer.get(f"/v1/mailboxes/{support['id']}/emails/{held['id']}/raw").text
    assert "Date: Wed, 24 Dec 2025 18:00:00 +0100" in raw


def test_the_same_seeded_run_stores_the_same_bytes(start: Start) -> None:
    seed = {"messages": [{"from": "a@example.org", "html": "<p>x</p>", "subject": "s",
                          "attachments": [{"name": "a.txt", "content": "x"}]}]}  # fmt: skip
    raws = []
    for _ in range(2):
        server = start(seed=1, clock=VirtualClock())
        (row,) = server.seed(seed)
        path = f"{server.box}/emails/{row['id']}/raw"
        raws.append(server.agent.get(path).content)
    assert raws[0] == raws[1]


def test_a_whole_message_goes_to_the_mailboxes_that_it_names(start: Start) -> None:
    server = start()
    post(server, {"mailboxes": [{"address": "second"}]})
    post(server, mbox(letter("hers", "second@multimail.test"), letter("whose", "x@example.com")))
    second = "second@multimail.test"
    assert subjects(server, second) == ["hers"]
    assert subjects(server) == ["whose"]


def test_a_mailbox_that_is_there_keeps_its_mode(start: Start) -> None:
    server = start()
    seed = {"mailboxes": [{"address": server.mailbox.address, "oversight_mode": "autonomous"}]}
    (box,) = post(server, seed).json()["mailboxes"]
    assert (box["id"], box["oversight_mode"]) == (server.mailbox.id, "gated_send")


@pytest.mark.parametrize(
    "message",
    [
        {"from": "nobody"},
        {"from": "a@example.org\r\nBcc: x@example.org"},
        {"from": "a@example.org", "headers": {"From": "b@example.org"}},
        {"from": "a@example.org", "headers": {"Reply-To": "b@x.org", "reply-to": "c@x.org"}},
        {"from": "a@example.org", "headers": {"X-A: b\nX": "c"}},
        {"from": "a@example.org", "attachments": [{"name": "a", "content_base64": "?"}]},
        {"from": "a@example.org", "attachments": [{"name": "a"}]},
        {"from": "a@example.org", "attachments": [
            {"name": "a", "content": "x", "content_type": "message/rfc822"}]},
        {"from": "a@example.org", "unknown": 1},
    ],
)  # fmt: skip
def test_a_message_that_cannot_be_made_is_refused_and_nothing_is_stored(
    start: Start, message: dict[str, Any]
) -> None:
    server = start()
    refused = post(server, {"messages": [message]})
    assert refusal(refused) == (400, "invalid_seed")
    assert subjects(server) == []


def test_an_unknown_mailbox_is_a_404(server: ServerFixture) -> None:
    messages = [{"from": "a@example.org", "subject": "lost"},
                {"from": "a@example.org", "mailbox": "nowhere"}]  # fmt: skip
    assert post(server, {"messages": messages}).status_code == 404
    assert "lost" not in subjects(server)


def test_only_an_admin_with_a_test_key_seeds(start: Start) -> None:
    server = start()
    assert server.agent.post("/v1/test/seed", content=b"{}").status_code == 403
    live = start(live=True)
    assert post(live, {}).json()["code"] == "test_keys_only"
