"""A conversation with a server in which each operation succeeds once, or as often as it differs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from multimail_server.sources.account import AccountOptions, Host, Secret
from multimail_server.testing.server import ServerUnderTest

Json = dict[str, Any]
Step = tuple[str, str, str, Json, Json]
"""Whose key, method, path, what stands in the path, and more of the request."""
HOOK = "http://127.0.0.1:9/hook"
"""No server listens on it."""


def conversation(server: ServerUnderTest) -> Iterator[Step]:
    """Yield a request for each operation, in an order in which all of them succeed."""
    yield from webhooks(server)
    server.deliver(
        subject="Question", mail=WITH_FILE.replace(b"AGENT", server.mailbox.address.encode())
    )
    question = server.wait_for_message("Question")
    server.deliver("Who are you?", subject="Other")
    other = server.wait_for_message("Other")
    ids: Json = {
        "mailbox": server.mailbox.id,
        "email": question["id"],
        "thread": question["thread_id"],
        "filename": "a.txt",
        "attachment": question["attachments"][0]["id"],
        "key": "t",
    }
    yield from reading(ids)
    yield from flat(ids, other)
    yield from spam({"email": other["id"]})
    yield from sending(server, ids)
    yield from links(server, ids)
    yield from deliveries(server)
    yield from authority(server)
    yield from domains()
    yield from administration(server)
    yield from test_routes(server)
    yield from connecting(server)  # It makes live keys, which end the tests' routes.
    yield "admin", "DELETE", "/v1/account", {}, {}


def reading(ids: Json) -> Iterator[Step]:
    root = "/v1/mailboxes/{mailbox}"
    email = f"{root}/emails/{{email}}"
    for path in (
        "/health",
        "/ready",
        "/metrics",
        "/openapi.json",
        "/v1/mailboxes",
        root,
        f"{root}/emails",
        email,
    ):
        yield "agent", "GET", path, ids, {}
    yield "agent", "GET", "/v1/events", {}, {"params": {"after": "oldest", "limit": 1}}
    yield "agent", "PUT", f"{email}/tags", ids, {"json": {"tags": {"t": "1"}}}
    for rest in ("raw", "tags", "attachments/{filename}", "attachments/{filename}/url"):
        yield "agent", "GET", f"{email}/{rest}", ids, {}
    yield "agent", "GET", f"{root}/attachments/{{attachment}}", ids, {}
    yield "agent", "DELETE", f"{email}/tags/{{key}}", ids, {}
    yield "agent", "GET", f"{root}/search", ids, {"params": {"q": "subject:question -nothing"}}
    marking = {"json": {"ids": [ids["email"]], "mark": "unread"}}
    yield "agent", "PATCH", f"{root}/emails", ids, marking
    thread = f"{root}/threads/{{thread}}"
    yield "agent", "GET", thread, ids, {}
    yield "agent", "GET", thread, ids, {"params": {"include": "bodies"}}
    yield "agent", "POST", f"{root}/forward/{{email}}", ids, {"json": {"to": ["bob@example.com"]}}
    yield "agent", "POST", f"{root}/reply/{{email}}", ids, {"json": {"markdown": "Yes."}}


def flat(ids: Json, other: Json) -> Iterator[Step]:
    yield "agent", "GET", "/check_inbox", ids, {}
    yield "agent", "GET", "/read_email", ids, {"params": {"email_id": other["id"]}}
    yield "agent", "GET", "/read_email/{email}", ids, {}
    yield "agent", "GET", "/get_thread", ids, {"params": {"thread_id": other["thread_id"]}}
    yield "agent", "GET", "/get_thread/{thread}", ids, {}
    yield "agent", "POST", "/tag_email", ids, {"json": {"email_id": other["id"], "tag": "t"}}
    yield "agent", "POST", "/reply_email", ids, {"json": {"email_id": other["id"], "body": "Me."}}
    contact = {"email": "ann@example.com", "name": "Ann"}
    yield "agent", "POST", "/v1/contacts", ids, {"json": contact}
    yield "agent", "GET", "/v1/contacts", ids, {}
    yield "agent", "GET", "/search_contacts", ids, {}
    yield "agent", "GET", "/list_pending", ids, {}
    yield "reviewer", "GET", "/list_pending", ids, {}
    yield "reviewer", "GET", "/v1/oversight/pending", ids, {}


def sending(server: ServerUnderTest, ids: Json) -> Iterator[Step]:
    mail = {"to": "a@example.com", "subject": "S", "body": "B"}
    later = {**mail, "send_at": tomorrow(server, 1)}
    for body in (mail, {**mail, "idempotency_key": "k"}, {**mail, "idempotency_key": "k"}):
        yield "agent", "POST", "/send_email", ids, {"json": body}
        yield "agent", "POST", "/v1/mailboxes/{mailbox}/send", ids, {"json": body}
    yield "agent", "POST", "/send_email", ids, {"json": later}
    with server.http("agent") as agent:
        held = [row["id"] for row in agent.get("/list_pending").json()["items"]]
    moved = {**ids, "email": held[-1]}
    email = "/v1/mailboxes/{mailbox}/emails/{email}"
    yield "agent", "PATCH", f"{email}/schedule", moved, {"json": {"send_at": tomorrow(server, 2)}}
    yield "agent", "PATCH", f"{email}/schedule", moved, {"json": {"subject": "T"}}
    with server.http("reviewer") as reviewer:
        seen = reviewer.get(email.format(**moved)).json()["content_hash"]
    revised = {"email_id": held[-1], "content_hash": seen, "subject": "U"}
    yield "reviewer", "POST", "/v1/oversight/revise", ids, {"json": revised}
    yield "agent", "POST", f"{email}/revise", moved, {"json": {"subject": "V"}}
    yield "agent", "POST", f"{email}/cancel", moved, {}
    yield "agent", "POST", "/cancel_message", ids, {"json": {"message_id": held[0]}}
    decisions = [(held[1], "approve"), (held[2], "reject")]
    for path in ("/decide_email", "/v1/oversight/decide"):
        for which, word in decisions:
            yield "reviewer", "POST", path, ids, {"json": {"email_id": which, "action": word}}
    yield "agent", "GET", "/v1/test/outbox", ids, {}
    yield "agent", "GET", "/v1/test/outbox/{email}/raw", {"email": held[1]}, {}
    yield (
        "agent",
        "POST",
        "/v1/test/inbound",
        ids,
        {"content": b"From: a@example.com\r\n\r\nHi\r\n"},
    )


def webhooks(server: ServerUnderTest) -> Iterator[Step]:
    for path, format_ in (("/v1/webhooks", "hex"), ("/webhooks", "sha256=hex")):
        hook = {"url": HOOK, "events": ["message.received"], "signature_format": format_}
        yield "admin", "POST", path, {}, {"json": hook}
    yield "admin", "GET", "/v1/webhooks", {}, {}
    with server.http("admin") as admin:
        which = {"webhook": admin.get("/v1/webhooks").json()["webhooks"][0]["id"]}
    path = "/v1/webhooks/{webhook}"
    yield "admin", "GET", path, which, {}
    yield "admin", "PATCH", path, which, {"json": {"enabled": False}}
    yield "admin", "DELETE", path, which, {}


def deliveries(server: ServerUnderTest) -> Iterator[Step]:
    yield "admin", "GET", "/v1/webhook-deliveries", {}, {}
    with server.http("admin") as admin:
        rows = admin.get("/v1/webhook-deliveries").json()["deliveries"]
    which = {"delivery": rows[0]["id"]}
    yield "admin", "POST", "/v1/webhook-deliveries/{delivery}/replay", which, {}


def spam(ids: Json) -> Iterator[Step]:
    yield "agent", "POST", "/v1/emails/{email}/report-spam", ids, {}
    yield "agent", "GET", "/v1/emails", ids, {}
    yield "agent", "POST", "/v1/emails/{email}/not-spam", ids, {}


def links(server: ServerUnderTest, ids: Json) -> Iterator[Step]:
    """What a link decides on leaves, and carries another link, by which it is unsubscribed from."""
    mail = {"to": "zoe@example.com", "subject": "S", "body": "B"}
    with server.http("agent") as agent:
        held = {**ids, "email": agent.post("/send_email", json=mail).json()["id"]}
    path = "/v1/oversight/{email}/approval-link"
    yield "reviewer", "POST", path, held, {}
    with server.http("reviewer") as reviewer:
        token = {"token": reviewer.post(path.format(**held)).json()["token"]}
    yield "agent", "GET", "/v1/approve/{token}", token, {}
    yield "agent", "GET", "/v1/approve/{token}", token, {"headers": {"Accept": "text/html"}}
    yield "agent", "POST", "/v1/approve/{token}", token, {"json": {"action": "approve"}}
    server.wait_for_message(
        lambda row: row["id"] == held["email"], direction="outbound", status="sent"
    )
    yield "agent", "GET", "/v1/mailboxes/{mailbox}/emails/{email}", held, {}
    with server.http("agent") as agent:
        raw = agent.get(f"/v1/test/outbox/{held['email']}/raw").text
    match = re.search(r"/v1/unsubscribe/([^>]+)>", re.sub(r"\r?\n ", " ", raw))
    assert match is not None
    for method in ("GET", "POST"):
        yield "agent", method, "/v1/unsubscribe/{token}", {"token": match[1]}, {}
    yield "admin", "GET", "/v1/suppression", {}, {}
    both = {**mail, "to": ["zoe@example.com", "yan@example.com"]}
    yield "agent", "POST", "/send_email", {}, {"json": both}
    yield "admin", "DELETE", "/v1/suppression/{address}", {"address": "zoe@example.com"}, {}


def authority(server: ServerUnderTest) -> Iterator[Step]:
    box = {"mailbox": server.mailbox.id}
    wanted = {"target_mode": "monitored"}
    yield "agent", "POST", "/v1/mailboxes/{mailbox}/request-upgrade", box, {"json": wanted}
    path = "/v1/oversight/upgrade-requests"
    yield "reviewer", "GET", path, {}, {}
    yield "reviewer", "GET", "/v1/oversight/approval-codes", {}, {}
    yield "reviewer", "GET", "/v1/notifications", {}, {}
    with server.http("reviewer") as reviewer:
        code = {"code": reviewer.get(path).json()["upgrade_requests"][0]["code"]}
    yield "agent", "POST", "/v1/mailboxes/{mailbox}/upgrade", box, {"json": code}


def domains() -> Iterator[Step]:
    which = {"domain": "own.example"}
    yield "admin", "POST", "/v1/domains", {}, {"json": which}
    yield "admin", "GET", "/v1/domains", {}, {}
    yield "admin", "GET", "/v1/domains/{domain}", which, {}
    yield "admin", "POST", "/v1/domains/{domain}/verify", which, {}
    yield "admin", "DELETE", "/v1/domains/{domain}", which, {}
    yield "agent", "GET", "/.well-known/multimail-signing-key", {}, {}


def tomorrow(server: ServerUnderTest, days: int) -> str:
    return (server.services.context.now() + timedelta(days=days)).isoformat()


def administration(server: ServerUnderTest) -> Iterator[Step]:
    with server.http("agent") as agent:
        contact = agent.get("/v1/contacts").json()["contacts"][0]["id"]
    yield "admin", "DELETE", "/v1/contacts/{contact}", {"contact": contact}, {}
    for path in ("/v1/mailboxes", "/create_mailbox"):
        yield (
            "admin",
            "POST",
            path,
            {},
            {"json": {"address": f"new{len(path)}", "webhook_url": HOOK}},
        )
    spare = {"mailbox": f"new13@{server.config.domain}"}
    change = {
        "display_name": "N",
        "auto_cc": "a@example.com",
        "forward_inbound": "b@example.com",
        "webhook_url": HOOK,
    }
    for rest in ("", "/configure"):
        yield "admin", "PATCH", f"/v1/mailboxes/{{mailbox}}{rest}", spare, {"json": change}
    yield "admin", "DELETE", "/v1/mailboxes/{mailbox}", spare, {}
    yield "admin", "POST", "/v1/api-keys", {}, {"json": {"name": "spare"}}
    yield "admin", "GET", "/v1/api-keys", {}, {}
    with server.http("admin") as admin:
        key = {"key": admin.get("/v1/api-keys").json()["keys"][-1]["id"]}
    yield "admin", "PATCH", "/v1/api-keys/{key}", key, {"json": {"name": "other"}}
    yield "admin", "DELETE", "/v1/api-keys/{key}", key, {}
    for path in ("/v1/account", "/v1/usage", "/v1/audit-log"):
        yield "admin", "GET", path, {}, {}
    yield "admin", "PATCH", "/v1/account", {}, {"json": {"name": "Us"}}
    yield "admin", "GET", "/v1/export", {}, {}


def test_routes(server: ServerUnderTest) -> Iterator[Step]:
    yield "admin", "GET", "/v1/test/clock", {}, {}
    yield "admin", "POST", "/v1/test/clock/advance", {}, {"json": {"seconds": 60}}
    mail = {"from": "ann@example.com", "subject": "Seed"}
    seed = {"mailboxes": [{"address": "seeded"}], "messages": [mail]}
    yield "admin", "POST", "/v1/test/seed", {}, {"json": seed}
    fault = {"operation": "get_usage", "status": 503}
    yield "admin", "POST", "/v1/test/faults", {}, {"json": fault}
    yield "admin", "GET", "/v1/test/faults", {}, {}
    with server.http("admin") as admin:
        which = {"fault": admin.get("/v1/test/faults").json()["faults"][0]["id"]}
    yield "admin", "DELETE", "/v1/test/faults/{fault}", which, {}
    yield "admin", "DELETE", "/v1/test/faults", {}, {}
    yield "admin", "POST", "/v1/test/reset", {}, {"json": {"everything": True}}


def connecting(server: ServerUnderTest) -> Iterator[Step]:
    host = Host("127.0.0.1", 9, "none")  # No server listens there.
    account = {
        "address": "me@home.test", "login": "me", "uid_validity": 1, "uid_next": 1,
        "options": AccountOptions(host, host).as_data(),
        "secret": server.services.context.secrets.seal(Secret("password", "p")).decode(),
    }  # fmt: skip
    yield "admin", "POST", "/v1/connected-mailboxes", {}, {"json": account}
    connected = {"mailbox": "me@home.test"}
    yield "admin", "DELETE", "/v1/connected-mailboxes/{mailbox}", connected, {}


WITH_FILE = b"""From: Ann <ann@example.com>
To: AGENT
Subject: Question
Message-ID: <q@example.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: text/plain

What is it?
--b
Content-Type: text/plain
Content-Disposition: attachment; filename="a.txt"

File.
--b--
"""
