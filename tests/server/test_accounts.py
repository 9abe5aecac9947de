"""Accounts, mailboxes and contacts; what survives a restart; what the banner and errors say."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.server import BrokenClock, ServerFixture, Start, accepted, refusal

from multimail_server import Ids, ServerConfig, ServerStartError, SystemClock


def test_the_banner_names_urls_mailbox_and_keys(server: ServerFixture) -> None:
    ready = server.ready()
    assert set(ready) == {"url", "smtp", "mailbox", "mailboxes", "keys"}
    assert ready["mailboxes"] == [{"address": "agent@multimail.test", "source": "smtp"}]
    assert ready["mailbox"]["address"] == "agent@multimail.test"
    assert set(ready["keys"]) == {"agent", "reviewer", "admin"}
    assert all(key.startswith("mm_test_") for key in ready["keys"].values())
    assert httpx.get(f"{ready['url']}/health").json()["status"] == "ok"


def test_a_restart_keeps_everything(start: Start, tmp_path: Path) -> None:
    first = start(data=tmp_path / "mail.db")
    keys = first.keys
    sent = first.sent(subject="Kept", idempotency_key="k")
    first.deliver(subject="Also kept")
    first.stop()
    second = start(data=tmp_path / "mail.db")
    assert second.ready()["keys"] is None
    assert second.mailbox == first.mailbox
    agent, reviewer = second.http(keys.agent), second.http(keys.reviewer)
    again = second.send(by=agent, subject="Kept", idempotency_key="k")
    assert (again.status_code, again.json()["id"]) == (200, sent["id"])
    assert [row["subject"] for row in second.emails(agent)] == ["Also kept", "Kept"]
    decided = second.decide(sent["id"], by=reviewer)
    assert decided.json()["status"] == "approved_and_sent"


def test_no_raw_key_is_in_the_data_file_the_log_or_a_repr(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = start(data=tmp_path / "mail.db")
    new_key = server.create_key("read")["key"]
    server.http(new_key).get("/v1/mailboxes")
    keys = [*server.ready()["keys"].values(), new_key]
    server.stop()
    contents = [path.read_bytes() for path in tmp_path.iterdir()]
    for key in keys:
        assert not any(key.encode() in content for content in contents)
        assert key not in caplog.text
        assert key not in repr(server.keys)


def test_nothing_is_kept_without_a_data_file(start: Start) -> None:
    first, second = start(), start()
    assert first.mailbox.id != second.mailbox.id
    assert second.http(first.keys.agent).get("/v1/mailboxes").status_code == 401


def test_a_port_that_is_taken_is_named_and_nothing_stays_open(start: Start) -> None:
    running = start()
    port, smtp_port = (int(where.rpartition(":")[2]) for where in (running.url, running.smtp))
    with pytest.raises(ServerStartError, match=rf":{port}.*--port"):
        start(port=port)
    with pytest.raises(ServerStartError, match="--smtp-port"):
        start(smtp_port=smtp_port)


@pytest.mark.parametrize(
    "setting",
    [{"oversight_mode": "yolo"}, {"mailbox_address": "no address"}, {"relay": "gopher://x"}],
)
def test_a_wrong_setting_stops_the_start(start: Start, setting: dict[str, str]) -> None:
    with pytest.raises(ServerStartError):
        start(**setting)


def test_mailboxes_are_created_changed_and_deleted(server: ServerFixture) -> None:
    agent, admin = server.agent, server.admin
    box = server.create_mailbox("Desk@multimail.test", display_name="Desk")
    assert (box["address"], box["oversight_mode"]) == ("desk@multimail.test", "gated_send")
    taken = admin.post("/v1/mailboxes", json={"address_local": "desk"})
    assert refusal(taken) == (409, "address_taken")
    for bad in ("a b", "a@elsewhere.test", "a\r\nb", "", "a+b", "x" * 65, "@multimail.test"):
        assert admin.post("/v1/mailboxes", json={"address": bad}).status_code == 400
    path = f"/v1/mailboxes/{box['id']}"
    changed = admin.patch(path, json={"auto_bcc": ["a@example.com"], "oversight_mode": "gated_all"})
    assert changed.json()["auto_bcc"] == ["a@example.com"]
    assert admin.patch(path, json={"auto_bcc": None}).json()["auto_bcc"] is None
    assert admin.patch(path, json={"auto_bcc": ["a\r\nb"]}).status_code == 400
    assert agent.get("/v1/mailboxes/desk@multimail.test").json()["id"] == box["id"]
    assert admin.delete(path).status_code == 200
    assert agent.get(path).status_code == 404
    assert server.create_mailbox("desk")


def test_contacts_are_merged_by_address_and_found_in_any_case(server: ServerFixture) -> None:
    agent, admin = server.agent, server.admin

    def create(**contact: Any) -> httpx.Response:
        return agent.post("/v1/contacts", json=contact)

    assert create(email="Zoë", name="Zoë").status_code == 400
    first = accepted(create(email="zoe@example.com", name="Zoë"))
    assert create(email="Zoe@example.com", tags=["vip"]).json() == {**first, "tags": ["vip"]}
    rows = agent.get("/v1/contacts", params={"q": "ZOË"}).json()["contacts"]
    assert [row["email"] for row in rows] == ["zoe@example.com"]
    assert agent.get("/v1/contacts", params={"q": "nobody"}).json()["contacts"] == []
    assert admin.delete(f"/v1/contacts/{first['id']}").status_code == 200
    assert admin.delete(f"/v1/contacts/{first['id']}").status_code == 404


def test_what_a_tool_wrote_into_the_contacts_stays_marked(start: Start) -> None:
    agent = start().agent

    def write(made_by: str | None, text: dict[str, Any]) -> Any:
        made = {} if made_by is None else {"made_by": made_by}
        reply = agent.post("/v1/contacts", json={"email": "ann@example.org", **made, **text})
        if reply.status_code != 201:
            return refusal(reply)
        return tuple(reply.json()[name] for name in ("made_by", "label", "name"))

    refused = (409, "not_made_by_tool")
    bob = "bob@example.org"
    for made_by, text, expected in (
        (None, {"name": "Ann"}, ("app", None, "Ann")),
        ("tool", {"name": "Pay drop@evil.example", "label": "failed"}, refused),
        ("tool", {"tags": ["vip"]}, refused),
        ("tool", {"name": "Ann", "label": "failed"}, ("app", None, "Ann")),
        ("tool", {"email": bob, "name": "Bob", "label": "unknown"}, ("tool", "unknown", "Bob")),
        ("tool", {"email": bob, "tags": ["vip"]}, ("tool", "unknown", "Bob")),
        ("app", {"email": bob, "name": "Rob"}, ("tool", "unknown", "Rob")),
        ("app", {"email": bob, "name": "Bob", "tags": ["new"]}, ("tool", None, "Bob")),
        ("tool", {"email": bob, "name": "B", "label": "failed"}, ("tool", "failed", "B")),
        ("person", {}, (400, "invalid_request")),
    ):
        assert write(made_by, text) == expected


def test_the_key_of_one_mailbox_does_not_change_shared_contacts(start: Start) -> None:
    server = start()
    key = server.create_key("read", "send", mailbox_id=server.mailbox.id)["key"]
    shared = accepted(server.agent.post("/v1/contacts", json={"email": "ann@example.org"}))
    with server.http(key) as bound:
        again = bound.post("/v1/contacts", json={"email": "ann@example.org", "name": "Eve"})
        assert refusal(again) == (403, "bound_key")
        added = bound.post("/v1/contacts", json={"email": "bob@example.org", "made_by": "app"})
        assert accepted(added)["made_by"] == "tool"
        assert shared in bound.get("/v1/contacts").json()["contacts"]


def test_the_account_is_renamed_and_closed(start: Start) -> None:
    server = start()
    assert server.admin.patch("/v1/account", json={"name": "Ours"}).json()["name"] == "Ours"
    assert server.admin.get("/v1/usage").json()["mailboxes"] == 1
    assert server.admin.delete("/v1/account").status_code == 200
    assert server.agent.get("/v1/mailboxes").status_code == 401


def test_an_unexpected_error_is_a_500_that_leaks_nothing(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    clock = BrokenClock()
    server = start(clock=clock, ids=Ids(SystemClock()))
    clock.broken = True
    reply = server.send()
    clock.broken = False
    assert refusal(reply) == (500, "internal_error")
    assert "clock" not in reply.text
    assert reply.json()["request_id"] in caplog.text
    assert reply.headers["x-request-id"] == reply.json()["request_id"]


def test_a_server_that_did_not_start_can_be_stopped() -> None:
    server = ServerFixture(ServerConfig(port=0, smtp_port=0, oversight_mode="yolo"))
    with pytest.raises(ServerStartError):
        server.start()
    server.stop()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"retention_day": 30}, "'retention_day'; did you mean `retention_days`"),
        ({"signature": "x", "ai_disclosure": True}, "'signature'; did you mean `signature_block`"),
        ({"zzz": 1}, "there is no setting 'zzz'."),
    ],
)
def test_a_misspelt_setting_is_refused(
    server: ServerFixture, body: dict[str, Any], words: str
) -> None:
    before = server.admin.get(server.box).json()
    for path in (server.box, f"{server.box}/configure"):
        refused = server.admin.patch(path, json=body)
        assert refusal(refused) == (400, "invalid_request")
        assert words in refused.text
    assert server.admin.patch(server.box, json=before).json() == before


def test_a_zone_file_that_is_not_there_is_named(start: Start, tmp_path: Path) -> None:
    with pytest.raises(ServerStartError, match=r"zone file .*nope cannot be read: No such file"):
        start(dns_zone=tmp_path / "nope")
