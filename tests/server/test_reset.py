"""Reset: an empty server between two tests, and never one that holds real mail."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.support.server import ServerFixture, Start, refusal

from multimail_server.testing import VirtualClock


def rows(data: Path) -> dict[str, int]:
    """Return how many rows each table of a data file has."""
    with closing(sqlite3.connect(data)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        # The tables of FTS5 itself hold its structure too; `message_search` counts what is found.
        names = [row[0] for row in tables if not row[0].startswith("message_search_")]
        return {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names
        }


def fill(server: ServerFixture) -> dict[str, Any]:
    """Leave something in every table that hangs on mail; return the held reply."""
    agent, path = server.agent, server.box
    server.deliver("Hello", sender="ann@example.org")
    mail = server.wait_for_message()
    body = {"markdown": "Hi", "idempotency_key": "k1",
            "attachments": [{"name": "a.txt", "content_base64": "YQ=="}]}  # fmt: skip
    reply: dict[str, Any] = agent.post(f"{path}/reply/{mail['id']}", json=body).json()
    agent.put(f"{path}/emails/{mail['id']}/tags", json={"tags": {"seen": "yes"}})
    agent.post("/v1/contacts", json={"email": "ann@example.org"})
    body = {"to": ["b@example.org"], "subject": "Out", "markdown": "x"}
    out = agent.post(f"{path}/send", json=body).json()
    decision = {"email_id": out["id"], "action": "approve"}
    assert server.reviewer.post("/v1/oversight/decide", json=decision).status_code == 200
    return reply


def test_a_reset_empties_mailboxes_and_keeps_keys_and_the_audit_log(start: Start) -> None:
    server = start()
    reply = fill(server)
    assert server.outbox()
    admin, agent = server.admin, server.agent
    before = admin.get("/v1/audit-log").json()["entries"]
    done = admin.post("/v1/test/reset", json={})
    assert done.json() == {"status": "reset", "everything": False}
    assert server.outbox() == []
    path = f"{server.box}/emails"
    assert agent.get(path).json()["emails"] == []
    assert agent.get(f"{path}/{reply['id']}").status_code == 404
    assert agent.get("/v1/contacts").json()["contacts"] == []
    assert server.reviewer.get("/v1/oversight/pending").json()["emails"] == []
    entries = admin.get("/v1/audit-log").json()["entries"]
    (done_at,) = [i for i, entry in enumerate(entries) if entry["action"] == "test.reset"]
    # The line of the read that showed `before` came after what it showed.
    assert entries[done_at + 2 :] == before


def test_no_table_keeps_anything_of_the_mail(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "mail.db"
    server = start(data=data)
    fill(server)
    before = rows(data)
    server.reset()
    server.stop()
    kept = {"settings", "accounts", "mailboxes", "keys", "audit", "event_counter"}
    assert {name for name, count in rows(data).items() if count} <= kept
    filled = {"messages", "contents", "attachments", "attachment_contents", "tags", "contacts",
              "idempotency", "test_deliveries", "message_words", "message_search"}  # fmt: skip
    assert {name for name, count in before.items() if count} >= filled


def test_after_a_reset_the_same_test_runs_again(start: Start) -> None:
    server = start()
    for _ in range(3):
        assert fill(server)["held"] is True
        assert len(server.outbox()) == 1
        server.reset()


def test_everything_retires_what_tests_made(start: Start) -> None:
    server = start()
    admin = server.admin
    mailbox = admin.post("/v1/mailboxes", json={"address": "second"}).json()
    extra = admin.post("/v1/api-keys", json={"name": "extra", "scopes": ["read"]}).json()
    server.reset()
    assert server.http(extra["key"]).get(f"/v1/mailboxes/{mailbox['id']}").status_code == 200
    server.reset(everything=True)
    assert server.http(extra["key"]).get("/v1/mailboxes").status_code == 401
    rows = admin.get("/v1/mailboxes").json()["mailboxes"]
    assert [row["id"] for row in rows] == [server.mailbox.id]
    assert admin.post("/v1/mailboxes", json={"address": "second"}).status_code == 201


def test_a_reset_does_not_loosen_a_mode(start: Start) -> None:
    server = start()
    admin, path = server.admin, server.box
    admin.patch(path, json={"oversight_mode": "gated_all"})
    server.reset(everything=True)
    assert admin.get(path).json()["oversight_mode"] == "gated_all"


def test_what_was_scheduled_does_not_leave_after_a_reset(start: Start) -> None:
    server = start(clock=VirtualClock(), oversight_mode="autonomous")
    body = {"to": ["b@example.org"], "subject": "Out", "markdown": "x",
            "send_at": "2026-01-01T01:00:00Z"}  # fmt: skip
    server.agent.post(f"{server.box}/send", json=body)
    server.reset()
    server.advance(7200)
    assert server.outbox() == []


def test_a_reset_amid_deliveries_leaves_a_server_that_works(start: Start) -> None:
    server = start(oversight_mode="autonomous")
    path = f"{server.box}/send"
    statuses: list[int] = []

    def sends() -> None:
        for number in range(20):
            body = {"to": ["b@example.org"], "subject": str(number), "markdown": "x"}
            statuses.append(server.agent.post(path, json=body).status_code)

    sender = threading.Thread(target=sends)
    sender.start()
    for _ in range(10):
        server.reset()
    sender.join()
    assert statuses == [202] * 20
    server.reset()
    sends()
    assert server.wait_for_message("19", direction="outbound", status="sent")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/test/reset"), ("DELETE", "/v1/test/faults")]
)
def test_a_server_for_real_mail_is_never_emptied(start: Start, method: str, path: str) -> None:
    open_to_all = start(host="0.0.0.0")
    with_live_key = start()
    body = {"name": "live", "scopes": ["read"], "live": True}
    with_live_key.admin.post("/v1/api-keys", json=body)
    for server, reason in (
        (open_to_all, "which others can reach"),
        (with_live_key, "it has a live key"),
        (start(live=True), "this key is live"),
    ):
        url = f"http://127.0.0.1:{server.url.rpartition(':')[2]}{path}"
        refused = server.admin.request(method, url)
        assert refused.status_code == 403
        assert reason in refused.json()["error"]


def test_a_key_of_one_mailbox_does_not_reset_the_others(start: Start) -> None:
    server = start()
    body = {"name": "one", "scopes": ["admin"], "mailbox_id": server.mailbox.id}
    key = server.admin.post("/v1/api-keys", json=body).json()["key"]
    refused = server.http(key).post("/v1/test/reset")
    assert refusal(refused) == (403, "bound_key")
