"""Webhook subscriptions: who may make them, to where, and what is shown of them."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.server import Start, refusal

from multimail_server.services.events import EVENT_KINDS
from multimail_server.store.migrate import load_migrations
from multimail_server.store.sql import SQLITE

MIGRATIONS = load_migrations(SQLITE, 0, "data.db")

URL = "https://hooks.example/in"


def make(admin: httpx.Client, **more: Any) -> httpx.Response:
    return admin.post("/v1/webhooks", json={"url": URL, "events": ["email.received"], **more})


def test_the_secret_is_shown_once(admin: httpx.Client) -> None:
    webhook = make(admin)
    assert webhook.status_code == 201
    secret = webhook.json()["signing_secret"]
    assert secret.startswith("whsec_")
    hook = webhook.json()["id"]
    listed = admin.get("/v1/webhooks").json()
    assert listed["subscriptions"] == listed["webhooks"]
    row = next(row for row in listed["webhooks"] if row["id"] == hook)
    assert row == admin.get(f"/v1/webhooks/{hook}").json()
    assert (row["url"], row["events"], row["status"]) == (URL, ["email.received"], "enabled")
    assert "signing_secret" not in row
    for path in ("/v1/webhooks", f"/v1/webhooks/{hook}", "/v1/audit-log"):
        assert secret not in admin.get(path).text
    assert make(admin).json()["signing_secret"] != secret


def test_no_secret_is_in_the_log_or_in_a_repr(
    start: Start, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    server = start(data=tmp_path / "mail.db")
    secret = make(server.admin, url="http://127.0.0.1:9/x").json()["signing_secret"]
    server.deliver()
    account = server.read(lambda tx: tx.first_account())
    assert account is not None
    hooks = server.read(lambda tx: tx.webhooks(account.id))
    assert len(hooks) == 1
    assert secret not in repr(hooks)
    server.stop()
    assert secret not in caplog.text


def test_every_name_can_be_subscribed_to(admin: httpx.Client) -> None:
    webhook = make(admin, events=[*EVENT_KINDS, *EVENT_KINDS]).json()
    assert webhook["events"] == list(EVENT_KINDS)
    assert len(webhook["events"]) == 14


@pytest.mark.parametrize("events", [[], ["email.opened"], ["email.received", "x" * 100], ["*"]])
def test_an_unknown_event_is_refused_with_the_list(admin: httpx.Client, events: list[str]) -> None:
    refused = make(admin, events=events)
    assert refusal(refused) == (400, "unknown_event")
    assert all(name in refused.json()["error"] for name in EVENT_KINDS)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/in",
        "http://127.0.0.1.hooks.example/",
        "http://localhost.hooks.example/",
        "http://[::2]/",
        "http://0.0.0.0/",
        "https://",
        "https://user:hush@hooks.example/",
        "https://hooks.example/#part",
        "https://hooks.example:99999/",
        "https://[::1",
        "https://hooks.example/a b",
        "https://hooks.example/\r\nX: y",
        "https://höks.example/",
        "ftp://hooks.example/",
        "javascript:alert(1)",
        "hooks.example",
        "",
    ],
)
def test_a_url_that_events_may_not_go_to_is_refused(admin: httpx.Client, url: str) -> None:
    refused = make(admin, url=url)
    assert refusal(refused) == (400, "invalid_webhook_url")
    assert "hush" not in refused.text


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example:8443/in?tenant=1",
        "http://localhost:9/",
        "http://127.0.0.2:9/",
        "http://[::1]:9/",
        "https://93.184.215.14/",
    ],
)
def test_https_and_loopback_are_taken(admin: httpx.Client, url: str) -> None:
    assert make(admin, url=url).json()["url"] == url


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"events": ["email.received"]}, "url"),
        ({"url": URL}, "events"),
        ({"url": URL, "events": "email.received"}, "events"),
        ({"url": URL, "events": ["email.received"], "signature_format": "md5"}, "signature_format"),
        ({"url": 5, "events": ["email.received"]}, "url"),
    ],
)
def test_a_wrong_body_names_its_field(
    admin: httpx.Client, body: dict[str, Any], field: str
) -> None:
    refused = admin.post("/v1/webhooks", json=body)
    assert refused.status_code == 400
    assert field in refused.json()["error"]


def test_a_mailbox_that_is_not_there_is_a_404(admin: httpx.Client) -> None:
    for mailbox in ("mbx_none", "nobody@multimail.test"):
        assert make(admin, mailbox_id=mailbox).status_code == 404


def test_there_are_a_hundred_at_most(start: Start) -> None:
    server = start()
    admin = server.admin
    for _ in range(100):
        assert make(admin).status_code == 201
    refused = make(admin)
    assert refusal(refused) == (409, "too_many_webhooks")


def test_a_key_of_one_mailbox_sees_only_its_own(start: Start) -> None:
    server = start()
    admin = server.admin
    wide = make(admin).json()["id"]
    body = {"name": "bound", "scopes": ["admin"], "mailbox_id": server.mailbox.id}
    bound = server.http(admin.post("/v1/api-keys", json=body).json()["key"])
    own = make(bound).json()
    assert own["mailbox_id"] == server.mailbox.id
    assert [row["id"] for row in bound.get("/v1/webhooks").json()["webhooks"]] == [own["id"]]
    for reply in (
        bound.get(f"/v1/webhooks/{wide}"),
        bound.patch(f"/v1/webhooks/{wide}", json={"enabled": False}),
        bound.delete(f"/v1/webhooks/{wide}"),
    ):
        assert reply.status_code == 404
    admin.patch(f"/v1/webhooks/{wide}", json={"enabled": False})
    admin.patch(f"/v1/webhooks/{own['id']}", json={"enabled": False})
    server.deliver()
    seen = bound.get("/v1/webhook-deliveries").json()["deliveries"]
    assert [row["webhook_id"] for row in seen] == [own["id"]]
    all_rows = admin.get("/v1/webhook-deliveries").json()["deliveries"]
    hidden = next(row["id"] for row in all_rows if row["webhook_id"] == wide)
    assert bound.post(f"/v1/webhook-deliveries/{hidden}/replay").status_code == 404


def test_the_history_is_paged_and_filtered(start: Start) -> None:
    server = start()
    admin = server.admin
    hook, other = make(admin).json()["id"], make(admin).json()["id"]
    for hook_id in (hook, other):
        admin.patch(f"/v1/webhooks/{hook_id}", json={"enabled": False})
    for number in range(3):
        server.deliver(subject=f"Mail {number}")
    path = "/v1/webhook-deliveries"
    query: dict[str, Any] = {"limit": 2, "webhook_id": hook}
    first = admin.get(path, params=query).json()
    second = admin.get(path, params={**query, "cursor": first["cursor"]}).json()
    ids = [row["id"] for row in first["deliveries"] + second["deliveries"]]
    assert (len(ids), second["cursor"]) == (3, None)
    assert ids == sorted(ids, reverse=True)
    assert len(admin.get(path, params={"status": "failed"}).json()["deliveries"]) == 6
    assert admin.get(path, params={"status": "pending"}).json()["deliveries"] == []
    refused = admin.get(path, params={"status": "lost"})
    assert refused.status_code == 400
    assert "pending" in refused.json()["error"]


def test_the_audit_log_names_the_host_and_no_more(start: Start) -> None:
    server = start()
    admin = server.admin
    hook = make(admin, url=f"{URL}?token=hush").json()["id"]
    admin.delete(f"/v1/webhooks/{hook}")
    log = admin.get("/v1/audit-log")
    entries = [row for row in log.json()["entries"] if row["resource_id"] == hook]
    assert [row["action"] for row in entries] == ["webhook.delete", "webhook.create"]
    assert entries[1]["metadata"] == {"host": "hooks.example", "events": ["email.received"]}
    assert "hush" not in log.text


def _changes(admin: httpx.Client) -> list[str]:
    entries = admin.get("/v1/audit-log").json()["entries"]
    return [hook_id["id"] for hook_id in entries if hook_id["action"].startswith("webhook.")]


def test_enabling_what_is_enabled_changes_nothing(admin: httpx.Client) -> None:
    hook = make(admin).json()
    before = _changes(admin)
    again = admin.patch(f"/v1/webhooks/{hook['id']}", json={"enabled": True})
    assert again.json() == {key: hook[key] for key in hook if key != "signing_secret"}
    assert _changes(admin) == before
    assert admin.patch(f"/v1/webhooks/{hook['id']}", json={}).status_code == 400


def test_a_data_file_from_before_webhooks_is_taken(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "old.db"
    with sqlite3.connect(data) as old:
        old.executescript(f"{MIGRATIONS[0]};PRAGMA user_version = 1;")
    old.close()
    assert make(start(data=data).http("admin")).status_code == 201
