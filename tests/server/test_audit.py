"""The audit log: what is done or refused leaves an entry that names actor, action and subject."""

from __future__ import annotations

import httpx
from tests.support.server import ServerFixture, Start


def test_the_audit_log_is_paged(server: ServerFixture, admin: httpx.Client) -> None:
    whole = admin.get("/v1/audit-log").json()["entries"]
    first = admin.get("/v1/audit-log", params={"limit": 2}).json()
    rest = admin.get("/v1/audit-log", params={"limit": 100, "cursor": first["cursor"]}).json()
    ids = [entry["id"] for entry in first["entries"] + rest["entries"]]
    assert first["entries"][0]["action"] == "audit_log.read"  # of the reading before this one
    assert ids[1 : len(whole) + 1] == [entry["id"] for entry in whole][: len(ids) - 1]
    assert len(set(ids)) == len(ids)


def test_closing_the_account_leaves_an_entry(start: Start) -> None:
    server = start()
    account = server.admin.get("/v1/account").json()["id"]
    server.admin.delete("/v1/account")
    [newest] = server.read(lambda tx: tx.audit(account, None, None, 1))
    assert (newest.action, newest.resource_id) == ("account.delete", account)


def test_an_entry_names_actor_action_and_subject(start: Start) -> None:
    server = start()
    agent, reviewer, box = server.agent, server.reviewer, server.box
    came = server.receive("Hello", subject="In")["id"]
    sent = server.sent(subject="Secret words", markdown="More secret words")["id"]
    email = f"{box}/emails/{came}"
    done: list[tuple[httpx.Response, str, str, httpx.Client]] = [
        (agent.get(f"{box}/emails"), "email.list", server.mailbox.id, agent),
        (agent.get(email), "email.read", came, agent),
        (agent.head(email), "email.peek", came, agent),
        (agent.get(f"{email}/raw"), "email.read_raw", came, agent),
        (agent.get(f"{email}/tags"), "email.read_tags", came, agent),
        (agent.put(f"{email}/tags", json={"tags": {}}), "email.tag", came, agent),
        (agent.post(f"/v1/emails/{came}/report-spam"), "email.report_spam", came, agent),
        (server.cancel(came), "request.refused", came, agent),
        (server.decide(sent, by=agent), "request.refused", sent, agent),
        (server.decide(sent), "oversight.approve", sent, reviewer),
        (server.decide(sent, "reject"), "request.refused", sent, reviewer),
    ]
    entries = server.audit()
    actors = {client: client.get("/v1/account").json()["key"]["id"] for client in (agent, reviewer)}
    for reply, action, subject, client in done:
        wanted = (action, subject, actors[client])
        entry = next(
            entry
            for entry in entries
            if (entry["action"], entry["resource_id"], entry["actor_key_id"]) == wanted
        )
        assert entry["outcome"] == ("done" if reply.is_success else "refused")
        assert entry["mailbox_id"] in (server.mailbox.id, None)
    assert "ecret words" not in str(entries)


def test_a_download_by_link_leaves_an_entry_without_an_actor(start: Start) -> None:
    server = start()
    file = {"name": "a.txt", "content_base64": "aGVsbG8=", "content_type": "text/plain"}
    sent = server.sent(attachments=[file])["id"]
    link = server.agent.get(f"{server.box}/emails/{sent}/attachments/a.txt/url").json()
    assert httpx.get(link["url"]).content == b"hello"
    [entry] = server.audit("attachment.read_by_link")
    assert (entry["resource_id"], entry["actor_key_id"]) == (link["id"], None)


def test_a_hostile_path_is_cut_and_a_body_is_not_logged(start: Start) -> None:
    server = start()
    server.agent.get(f"/v1/mailboxes/{'x' * 5000}/emails")
    server.agent.post("/v1/oversight/decide", content=b'{"email_id": "<b>secret</b>"}')
    by_body, by_path = server.audit()[:2]
    assert "secret" not in str(by_body)
    assert len(by_path["resource_id"]) <= 100
