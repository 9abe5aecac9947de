"""What is kept: the export holds all of it, and retention lets go of it in time."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from multimail import MultiMail
from multimail_server import VirtualClock
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]


def whole(client: httpx.Client) -> dict[str, list[Any]]:
    """Return all pages of the export, put together."""
    found: dict[str, list[Any]] = {}
    cursor: str | None = ""
    while cursor is not None:
        reply = client.get("/v1/export", params={"cursor": cursor})
        assert reply.status_code == 200
        page = reply.json()
        cursor = page.pop("cursor")
        for name, value in page.items():
            found.setdefault(name, []).extend(value if isinstance(value, list) else [value])
    return found


def send(client: httpx.Client, mailbox: str, **more: Any) -> str:
    body = {"to": ["ann@example.com"], "subject": "Offer", "markdown": "xylophone", **more}
    return str(client.post(f"/v1/mailboxes/{mailbox}/send", json=body).json()["id"])


def test_the_export_holds_everything_and_no_secret(start: Start) -> None:
    server = start()
    agent, admin = server.http("agent"), server.http("admin")
    agent.post("/v1/contacts", json={"email": "ann@example.com"})
    server.deliver("What came in", subject="In")
    file = {"name": "a.txt", "content_base64": "aGVsbG8=", "content_type": "text/plain"}
    sent = send(agent, server.mailbox.id, attachments=[file])
    found = whole(admin)
    assert {row["subject"] for row in found["emails"]} == {"In", "Offer"}
    mine = next(row for row in found["emails"] if row["id"] == sent)
    assert mine["markdown"] == "xylophone"
    assert mine["attachments"][0]["name"] == "a.txt"
    assert b"aGVsbG8=" in base64.b64decode(mine["raw_base64"])
    assert found["mailboxes"][0]["address"] == server.mailbox.address
    assert found["contacts"][0]["email"] == "ann@example.com"
    assert {"email.send", "email.receive"} <= {line["action"] for line in found["audit_log"]}
    for key in (server.keys.agent, server.keys.reviewer, server.keys.admin):
        assert key not in str(found)


def test_the_export_comes_in_pages_without_gap_or_repeat(start: Start) -> None:
    server = start()
    admin, agent = server.http("admin"), server.http("agent")
    sent = [send(agent, server.mailbox.id, subject=f"s{number}") for number in range(205)]
    first = admin.get("/v1/export").json()
    assert len(first["emails"]) == 200
    assert "account" in first
    rest = admin.get("/v1/export", params={"cursor": first["cursor"]}).json()
    assert "account" not in rest
    found = whole(admin)
    assert [row["id"] for row in found["emails"]] == sent
    told = [line["id"] for line in found["audit_log"]]
    assert told == sorted(set(told), reverse=True)
    assert len([line for line in found["audit_log"] if line["action"] == "email.send"]) == 205
    with MultiMail(server.keys.admin, base_url=server.url) as client:
        page = client.export_account()
        assert page.model_extra is not None
        assert client.export_account(cursor=page.model_extra["cursor"]).status == "ok"


def test_a_key_that_sends_sees_no_held_mail_in_the_export(start: Start) -> None:
    server = start(oversight_mode="gated_all")
    admin = server.http("admin")
    server.deliver("The secret is xylophone.", subject="Secret")
    made = admin.post("/v1/api-keys", json={"name": "n", "scopes": ["admin", "send"]}).json()
    assert "xylophone" in whole(admin)["emails"][0]["markdown"]
    row = whole(server.http(made["key"]))["emails"][0]
    assert row["content_hidden"] is True
    assert "ecret" not in str(row)
    bound = {"name": "b", "scopes": ["admin"], "mailbox_id": server.mailbox.id}
    key = admin.post("/v1/api-keys", json=bound).json()["key"]
    assert server.http(key).get("/v1/export").json()["code"] == "bound_key"


def gone(server: ServerUnderTest, email_id: str) -> bool:
    message = server.services.context.store.read(lambda tx: tx.message(email_id))
    return message is not None and message.status.value == "deleted"


def wait_until_gone(server: ServerUnderTest, *email_ids: str) -> None:
    def look() -> bool | None:
        return all(gone(server, email_id) for email_id in email_ids) or None

    assert server.services.context.commits.wait_for(look, 10)


@pytest.fixture
def keeping(start: Start, clock: VirtualClock, tmp_path: Path) -> ServerUnderTest:
    """A server whose mailbox keeps mail for 30 days."""
    server = start(clock=clock, data=tmp_path / "mail.db", pending_ttl=timedelta(days=365))
    path = f"/v1/mailboxes/{server.mailbox.id}"
    kept = server.http("admin").patch(path, json={"retention_days": 30}).json()
    assert kept["retention_days"] == 30
    return server


def test_old_mail_loses_its_content_and_keeps_its_audit(
    keeping: ServerUnderTest, clock: VirtualClock, tmp_path: Path
) -> None:
    server = keeping
    agent, reviewer, admin = (server.http(role) for role in ("agent", "reviewer", "admin"))
    server.deliver("glockenspiel", subject="Marimba", sender="eve@example.org")
    came = server.wait_for_message("Marimba")["id"]
    agent.put(f"/v1/mailboxes/{server.mailbox.id}/emails/{came}/tags",
              json={"tags": {"kind": "vibraphone"}})  # fmt: skip
    sent = send(agent, server.mailbox.id, idempotency_key="celesta")
    reviewer.post("/v1/oversight/decide", json={"email_id": sent, "action": "approve"})
    assert len(server.outbox()) == 1
    clock.advance(timedelta(days=30) - timedelta(seconds=1))
    assert "glockenspiel" in agent.get(f"/v1/mailboxes/{server.mailbox.id}/emails/{came}").text
    clock.advance(timedelta(seconds=1))
    wait_until_gone(server, came, sent)
    box = f"/v1/mailboxes/{server.mailbox.id}"
    assert agent.get(f"{box}/emails").json()["emails"] == []
    assert server.outbox() == []
    row = agent.get(f"{box}/emails/{came}").json()
    assert (row["status"], row["markdown"]) == ("deleted", "")
    raw = agent.get(f"{box}/emails/{came}/raw")
    assert (raw.status_code, raw.json()["code"]) == (410, "erased")
    exported = whole(admin)
    words = ("glockenspiel", "Marimba", "eve@", "vibraphone", "xylophone", "Offer", "ann@")
    assert not [word for word in words if word in str(exported["emails"])]
    told = {(line["action"], line["resource_id"]) for line in exported["audit_log"]}
    assert {("email.receive", came), ("email.purge", came), ("email.deliver", sent)} <= told


def test_what_still_waits_is_kept(keeping: ServerUnderTest, clock: VirtualClock) -> None:
    agent = keeping.http("agent")
    held = send(agent, keeping.mailbox.id)
    over = send(agent, keeping.mailbox.id)
    agent.post(f"/v1/mailboxes/{keeping.mailbox.id}/emails/{over}/cancel")
    clock.advance(timedelta(days=31))
    wait_until_gone(keeping, over)
    assert not gone(keeping, held)
    decision = {"email_id": held, "action": "approve"}
    done = keeping.http("reviewer").post("/v1/oversight/decide", json=decision).json()
    assert done["status"] == "approved_and_sent"


def test_a_shorter_time_takes_effect_at_once_and_a_retired_mailbox_counts(
    keeping: ServerUnderTest, clock: VirtualClock
) -> None:
    keeping.deliver("one", subject="One")
    one = keeping.wait_for_message("One")["id"]
    clock.advance(timedelta(days=5))
    keeping.deliver("two", subject="Two")
    two = keeping.wait_for_message("Two")["id"]
    admin = keeping.http("admin")
    path = f"/v1/mailboxes/{keeping.mailbox.id}"
    assert admin.patch(path, json={"retention_days": 3}).status_code == 200
    wait_until_gone(keeping, one)
    assert not gone(keeping, two)
    assert admin.delete(path).status_code == 200
    clock.advance(timedelta(days=3))
    wait_until_gone(keeping, two)


@pytest.mark.parametrize("days", [0, -1, 36_501, 1.5, "7", True])
def test_a_time_that_makes_no_sense_is_refused(admin: httpx.Client, server: ServerUnderTest,
                                               days: object) -> None:  # fmt: skip
    path = f"/v1/mailboxes/{server.mailbox.id}"
    assert admin.patch(path, json={"retention_days": days}).status_code == 400


def test_a_mailbox_made_without_a_time_keeps_its_mail(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    admin = server.http("admin")
    admin.post("/v1/mailboxes", json={"address": "kept", "retention_days": None})
    soon = {"address": "soon", "retention_days": 1}
    assert admin.post("/v1/mailboxes", json=soon).json()["retention_days"] == 1
    for name in ("kept", "soon"):
        server.deliver(name, subject=name, to=f"{name}@multimail.test")
    kept, gone_soon = (server.wait_for_message(name)["id"] for name in ("kept", "soon"))
    clock.advance(timedelta(days=1000))
    wait_until_gone(server, gone_soon)
    assert not gone(server, kept)
