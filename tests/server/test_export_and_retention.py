"""The export holds all that is kept; retention erases the content of mail when its time is over."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.server import ServerFixture, Start, accepted

from multimail import MultiMail
from multimail_server.testing import VirtualClock


def export(client: httpx.Client) -> dict[str, list[Any]]:
    """Return all pages of the export, put together."""
    parts: dict[str, list[Any]] = {}
    cursor: str | None = ""
    while cursor is not None:
        page = accepted(client.get("/v1/export", params={"cursor": cursor}))
        cursor = page.pop("cursor")
        for name, value in page.items():
            parts.setdefault(name, []).extend(value if isinstance(value, list) else [value])
    return parts


def test_the_export_holds_everything_and_no_secret(start: Start) -> None:
    server = start()
    server.agent.post("/v1/contacts", json={"email": "ann@example.com"})
    server.deliver("What came in", subject="In")
    file = {"name": "a.txt", "content_base64": "aGVsbG8=", "content_type": "text/plain"}
    sent = server.sent(markdown="xylophone", attachments=[file])["id"]
    parts = export(server.admin)
    assert {row["subject"] for row in parts["emails"]} == {"In", "Offer"}
    mine = next(row for row in parts["emails"] if row["id"] == sent)
    assert mine["markdown"] == "xylophone"
    assert mine["attachments"][0]["name"] == "a.txt"
    assert b"aGVsbG8=" in base64.b64decode(mine["raw_base64"])
    assert parts["mailboxes"][0]["address"] == server.mailbox.address
    assert parts["contacts"][0]["email"] == "ann@example.com"
    assert {"email.send", "email.receive"} <= {line["action"] for line in parts["audit_log"]}
    for key in (server.keys.agent, server.keys.reviewer, server.keys.admin):
        assert key not in str(parts)


def test_the_export_comes_in_pages_without_gap_or_repeat(start: Start) -> None:
    server = start()
    sent = [server.sent(subject=f"s{number}")["id"] for number in range(205)]
    first = server.admin.get("/v1/export").json()
    assert (len(first["emails"]), "account" in first) == (200, True)
    rest = server.admin.get("/v1/export", params={"cursor": first["cursor"]}).json()
    assert "account" not in rest
    parts = export(server.admin)
    assert [row["id"] for row in parts["emails"]] == sent
    entries = [line["id"] for line in parts["audit_log"]]
    assert entries == sorted(set(entries), reverse=True)
    assert len([line for line in parts["audit_log"] if line["action"] == "email.send"]) == 205
    with MultiMail(server.keys.admin, base_url=server.url) as client:
        page = client.export_account()
        assert page.model_extra is not None
        assert client.export_account(cursor=page.model_extra["cursor"]).status == "ok"


def test_a_key_that_sends_sees_no_held_mail_in_the_export(start: Start) -> None:
    server = start(oversight_mode="gated_all")
    server.deliver("The secret is xylophone.", subject="Secret")
    assert "xylophone" in export(server.admin)["emails"][0]["markdown"]
    [row] = export(server.http(server.create_key("admin", "send")["key"]))["emails"]
    assert row["content_hidden"] is True
    assert "ecret" not in str(row)
    bound = server.http(server.create_key("admin", mailbox_id=server.mailbox.id)["key"])
    assert bound.get("/v1/export").json()["code"] == "bound_key"


def is_erased(server: ServerFixture, email_id: str) -> bool:
    message = server.read(lambda tx: tx.message(email_id))
    return message is not None and message.status.value == "deleted"


def wait_until_erased(server: ServerFixture, *email_ids: str) -> None:
    server.wait_until(lambda: all(is_erased(server, email_id) for email_id in email_ids))


@pytest.fixture
def monthly(start: Start, clock: VirtualClock, tmp_path: Path) -> ServerFixture:
    """A server whose mailbox keeps mail for 30 days."""
    server = start(clock=clock, data=tmp_path / "mail.db", pending_ttl=timedelta(days=365))
    assert server.configure(retention_days=30).json()["retention_days"] == 30
    return server


def test_old_mail_loses_its_content_and_keeps_its_audit_entries(
    monthly: ServerFixture, clock: VirtualClock
) -> None:
    server = monthly
    came = server.receive("glockenspiel", subject="Marimba", sender="eve@example.org")["id"]
    email = f"{server.box}/emails/{came}"
    server.agent.put(f"{email}/tags", json={"tags": {"kind": "vibraphone"}})
    sent = server.sent(markdown="xylophone", idempotency_key="celesta")["id"]
    server.decide(sent)
    assert len(server.outbox()) == 1
    clock.advance(timedelta(days=30) - timedelta(seconds=1))
    assert "glockenspiel" in server.agent.get(email).text
    clock.advance(timedelta(seconds=1))
    wait_until_erased(server, came, sent)
    assert server.emails() == server.outbox() == []
    row = server.agent.get(email).json()
    assert (row["status"], row["markdown"]) == ("deleted", "")
    raw = server.agent.get(f"{email}/raw")
    assert (raw.status_code, raw.json()["code"]) == (410, "erased")
    parts = export(server.admin)
    words = ("glockenspiel", "Marimba", "eve@", "vibraphone", "xylophone", "Offer", "ann@")
    assert not [word for word in words if word in str(parts["emails"])]
    entries = {(line["action"], line["resource_id"]) for line in parts["audit_log"]}
    assert {("email.receive", came), ("email.purge", came), ("email.deliver", sent)} <= entries


def test_retention_keeps_what_still_waits(monthly: ServerFixture, clock: VirtualClock) -> None:
    held, over = monthly.sent()["id"], monthly.sent()["id"]
    monthly.cancel(over)
    clock.advance(timedelta(days=31))
    wait_until_erased(monthly, over)
    assert not is_erased(monthly, held)
    assert monthly.decide(held).json()["status"] == "approved_and_sent"


def test_a_shorter_retention_counts_at_once_and_in_a_deleted_mailbox(
    monthly: ServerFixture, clock: VirtualClock
) -> None:
    first = monthly.receive(subject="One")["id"]
    clock.advance(timedelta(days=5))
    two = monthly.receive(subject="Two")["id"]
    assert monthly.configure(retention_days=3).status_code == 200
    wait_until_erased(monthly, first)
    assert not is_erased(monthly, two)
    assert monthly.admin.delete(monthly.box).status_code == 200
    clock.advance(timedelta(days=3))
    wait_until_erased(monthly, two)


@pytest.mark.parametrize("days", [0, -1, 36_501, 1.5, "7", True])
def test_retention_days_out_of_range_are_refused(server: ServerFixture, days: object) -> None:
    assert server.configure(retention_days=days).status_code == 400


def test_a_mailbox_without_retention_keeps_its_mail(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    server.create_mailbox("kept", retention_days=None)
    assert server.create_mailbox("soon", retention_days=1)["retention_days"] == 1
    kept, soon = (
        server.receive(name, subject=name, to=f"{name}@multimail.test")["id"]
        for name in ("kept", "soon")
    )
    clock.advance(timedelta(days=1000))
    wait_until_erased(server, soon)
    assert not is_erased(server, kept)
