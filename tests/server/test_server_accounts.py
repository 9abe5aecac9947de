"""Accounts: keys, mailboxes, contacts, the audit log, and what survives a restart."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from multimail_server import Ids, ServerConfig, ServerStartError, SystemClock, VirtualClock
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]


def test_the_banner_says_where_everything_is(server: ServerUnderTest) -> None:
    ready = server.ready()
    assert set(ready) == {"url", "smtp", "mailbox", "keys"}
    assert ready["mailbox"]["address"] == "agent@multimail.test"
    assert set(ready["keys"]) == {"agent", "reviewer", "admin"}
    assert all(key.startswith("mm_test_") for key in ready["keys"].values())
    assert httpx.get(f"{ready['url']}/health").json()["status"] == "ok"


def test_a_restart_keeps_everything(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "mail.db"
    first = start(data=data)
    keys = first.keys
    assert keys is not None
    mail = {"to": ["a@example.com"], "subject": "Kept", "markdown": "m", "idempotency_key": "k"}
    path = f"/v1/mailboxes/{first.mailbox.id}/send"
    sent = first.http(keys.agent).post(path, json=mail).json()
    first.deliver(subject="Also kept")
    first.stop()
    second = start(data=data)
    assert second.ready()["keys"] is None
    assert second.mailbox == first.mailbox
    agent, reviewer = second.http(keys.agent), second.http(keys.reviewer)
    again = agent.post(path, json=mail)
    assert (again.status_code, again.json()["id"]) == (200, sent["id"])
    subjects = [
        row["subject"] for row in agent.get(path.replace("send", "emails")).json()["emails"]
    ]
    assert subjects == ["Also kept", "Kept"]
    body = {"email_id": sent["id"], "action": "approve"}
    decided = reviewer.post("/v1/oversight/decide", json=body).json()
    assert decided["status"] == "approved_and_sent"


def test_no_raw_key_is_in_the_data_file_or_the_log(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = start(data=tmp_path / "mail.db")
    keys = list(server.ready()["keys"].values())
    made = server.http("admin").post("/v1/api-keys", json={"name": "n"}).json()
    keys.append(made["key"])
    server.http(made["key"]).get("/v1/mailboxes")
    server.stop()
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        assert not any(key.encode() in content for key in keys)
    assert not any(key in caplog.text for key in keys)
    assert not any(key in repr(server.keys) for key in keys)


def test_nothing_is_kept_without_a_data_file(start: Start) -> None:
    first, second = start(), start()
    assert first.mailbox.id != second.mailbox.id
    assert first.keys is not None
    assert second.http(first.keys.agent).get("/v1/mailboxes").status_code == 401


def test_a_taken_port_is_said(start: Start) -> None:
    port = int(start().url.rpartition(":")[2])
    with pytest.raises(ServerStartError, match=rf":{port}.*--port"):
        ServerUnderTest(ServerConfig(port=port, smtp_port=0)).start()


def test_a_taken_smtp_port_lets_go_of_the_rest(start: Start) -> None:
    port = int(start().smtp.rpartition(":")[2])
    server = ServerUnderTest(ServerConfig(port=0, smtp_port=port))
    with pytest.raises(ServerStartError, match="--smtp-port"):
        server.start()
    server.stop()


@pytest.mark.parametrize(
    "settings",
    [{"oversight_mode": "yolo"}, {"mailbox_address": "no address"}, {"relay": "gopher://x"}],
)
def test_a_wrong_setting_is_said(settings: dict[str, str]) -> None:
    with pytest.raises(ServerStartError):
        ServerUnderTest(ServerConfig(port=0, smtp_port=0, **settings)).start()  # type: ignore[arg-type]


def test_no_key_can_both_send_and_approve(admin: httpx.Client) -> None:
    both = {"name": "both", "scopes": ["read", "send", "oversight"]}
    refused = admin.post("/v1/api-keys", json=both)
    assert (refused.status_code, refused.json()["code"]) == (400, "self_approval")
    made = admin.post("/v1/api-keys", json={"name": "s", "scopes": ["send"]}).json()
    path = f"/v1/api-keys/{made['id']}"
    refused = admin.patch(path, json={"scopes": ["send", "oversight"]})
    assert (refused.status_code, refused.json()["code"]) == (400, "self_approval")
    assert admin.patch(path, json={"scopes": ["root"]}).json()["code"] == "invalid_scopes"
    assert admin.patch(path, json={"scopes": []}).json()["code"] == "invalid_scopes"


def test_a_key_is_shown_once_and_revoked_for_good(
    server: ServerUnderTest, admin: httpx.Client
) -> None:
    made = admin.post("/v1/api-keys", json={"name": "short", "scopes": ["read"]}).json()
    client = server.http(made["key"])
    assert client.get("/v1/account").json()["key"]["scopes"] == ["read"]
    assert made["key"] not in admin.get("/v1/api-keys").text
    assert admin.delete(f"/v1/api-keys/{made['id']}").json()["status"] == "revoked"
    assert admin.delete(f"/v1/api-keys/{made['id']}").status_code == 200
    assert client.get("/v1/account").status_code == 401


def test_the_last_admin_key_stays(server: ServerUnderTest, admin: httpx.Client) -> None:
    me = admin.get("/v1/account").json()["key"]["id"]
    refused = admin.delete(f"/v1/api-keys/{me}")
    assert (refused.status_code, refused.json()["code"]) == (409, "last_admin_key")
    assert admin.get("/v1/account").status_code == 200


def test_mailboxes_are_made_changed_and_retired(
    server: ServerUnderTest, agent: httpx.Client, admin: httpx.Client
) -> None:
    made = admin.post(
        "/v1/mailboxes", json={"address": "Desk@multimail.test", "display_name": "Desk"}
    )
    assert made.status_code == 201
    box = made.json()
    assert (box["address"], box["oversight_mode"]) == ("desk@multimail.test", "gated_send")
    taken = admin.post("/v1/mailboxes", json={"address_local": "desk"})
    assert (taken.status_code, taken.json()["code"]) == (409, "address_taken")
    for bad in ("a b", "a@elsewhere.test", "a\r\nb", "", "a+b", "x" * 65, "@multimail.test"):
        assert admin.post("/v1/mailboxes", json={"address": bad}).status_code == 400
    path = f"/v1/mailboxes/{box['id']}"
    changed = admin.patch(path, json={"auto_bcc": ["a@example.com"], "oversight_mode": "gated_all"})
    assert changed.json()["auto_bcc"] == ["a@example.com"]
    assert admin.patch(path, json={"auto_bcc": None}).json()["auto_bcc"] is None
    assert admin.patch(path, json={"auto_bcc": ["a\r\nb"]}).status_code == 400
    assert agent.get(f"{path.rpartition('/')[0]}/desk@multimail.test").json()["id"] == box["id"]
    assert admin.delete(path).status_code == 200
    assert agent.get(path).status_code == 404
    assert admin.post("/v1/mailboxes", json={"address": "desk"}).status_code == 201


def test_contacts_are_found(agent: httpx.Client, admin: httpx.Client) -> None:
    body = {"email": "Zoë@example.com", "name": "Zoë"}
    assert agent.post("/v1/contacts", json=body).status_code == 400
    first = agent.post("/v1/contacts", json={"email": "zoe@example.com", "name": "Zoë"}).json()
    again = agent.post("/v1/contacts", json={"email": "Zoe@example.com", "tags": ["vip"]}).json()
    assert again == {**first, "tags": ["vip"]}
    found = agent.get("/v1/contacts", params={"q": "ZOË"}).json()["contacts"]
    assert [entry["email"] for entry in found] == ["zoe@example.com"]
    assert agent.get("/v1/contacts", params={"q": "nobody"}).json()["contacts"] == []
    assert admin.delete(f"/v1/contacts/{first['id']}").status_code == 200
    assert admin.delete(f"/v1/contacts/{first['id']}").status_code == 404


def test_the_audit_log_is_paged(server: ServerUnderTest, admin: httpx.Client) -> None:
    whole = admin.get("/v1/audit-log").json()["entries"]
    first = admin.get("/v1/audit-log", params={"limit": 2}).json()
    rest = admin.get("/v1/audit-log", params={"limit": 100, "cursor": first["cursor"]}).json()
    ids = [entry["id"] for entry in first["entries"] + rest["entries"]]
    assert first["entries"][0]["action"] == "audit_log.read"  # of the reading before this one
    assert ids[1 : len(whole) + 1] == [entry["id"] for entry in whole][: len(ids) - 1]
    assert len(set(ids)) == len(ids)


def test_a_closed_account_opens_to_nobody(start: Start) -> None:
    server = start()
    agent, admin = server.http("agent"), server.http("admin")
    assert admin.patch("/v1/account", json={"name": "Ours"}).json()["name"] == "Ours"
    assert admin.get("/v1/usage").json()["mailboxes"] == 1
    assert admin.delete("/v1/account").status_code == 200
    assert agent.get("/v1/mailboxes").status_code == 401


def test_ids_sort_and_repeat_with_a_seed(clock: VirtualClock) -> None:
    one, two = Ids(clock, seed=7), Ids(VirtualClock(), seed=7)
    made = [one.new("msg") for _ in range(500)]
    assert made == [two.new("msg") for _ in range(500)]
    assert made == sorted(set(made))


class BrokenClock(SystemClock):
    """A clock that stops telling the time: an error that no code expects."""

    broken = False

    def now(self) -> datetime:
        if self.broken:
            raise RuntimeError("the clock fell down")
        return super().now()


def test_an_unexpected_error_is_json_and_tells_nothing(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    clock = BrokenClock()
    server = start(clock=clock, ids=Ids(SystemClock()))
    agent = server.http("agent")
    clock.broken = True
    mail = {"to": ["a@example.com"], "subject": "s", "markdown": "m"}
    reply = agent.post(f"/v1/mailboxes/{server.mailbox.id}/send", json=mail)
    clock.broken = False
    assert (reply.status_code, reply.json()["code"]) == (500, "internal_error")
    assert "clock" not in reply.text
    assert reply.json()["request_id"] in caplog.text
    assert reply.headers["x-request-id"] == reply.json()["request_id"]
