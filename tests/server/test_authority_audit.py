"""The audit log: every route leaves a line, whether it was carried out or refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from multimail_server.api.routes import ALL
from multimail_server.api.routing import RouteSpec
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]
CLOSES = ("DELETE", "/v1/account")
KEYED = [spec for spec in ALL if spec.scopes and (spec.method, spec.path) != CLOSES]


def name_of(spec: RouteSpec) -> str:
    return f"{spec.method} {spec.path}"


def lines(server: ServerUnderTest, limit: int = 100) -> list[dict[str, Any]]:
    reply = server.http("admin").get("/v1/audit-log", params={"limit": limit})
    entries: list[dict[str, Any]] = reply.json()["entries"]
    return entries


@pytest.fixture(scope="module")
def by_scope(server: ServerUnderTest) -> dict[str, tuple[str, str]]:
    """The id and the key of a key for each single scope."""
    with server.http("admin") as admin:
        made = {
            scope: admin.post("/v1/api-keys", json={"name": scope, "scopes": [scope]}).json()
            for scope in ("read", "send", "oversight", "admin")
        }
    return {scope: (key["id"], key["key"]) for scope, key in made.items()}


@pytest.mark.parametrize("spec", KEYED, ids=name_of)
def test_every_route_leaves_a_line(
    server: ServerUnderTest, by_scope: dict[str, tuple[str, str]], spec: RouteSpec
) -> None:
    """With ids that nothing has, so that a change is refused: refusals leave a line too."""
    key_id, key = by_scope[spec.scopes[0]]
    path = re.sub(r"\{[^}]+\}", "nothing", spec.path)
    with server.http(key) as client:
        reply = client.request(spec.method, path)
    own = [line for line in lines(server) if line["actor_key_id"] == key_id]
    assert own, f"{name_of(spec)} left no line"
    if reply.is_success:
        assert own[0]["outcome"] == "done"
        return
    assert own[0]["action"] == "request.refused"
    assert own[0]["outcome"] == "refused"
    told = own[0]["metadata"]
    assert (told["request"], told["status"]) == (name_of(spec), reply.status_code)
    assert told["code"] == reply.json()["code"]


@pytest.mark.parametrize("spec", KEYED, ids=name_of)
def test_a_missing_scope_leaves_a_line(
    server: ServerUnderTest, by_scope: dict[str, tuple[str, str]], spec: RouteSpec
) -> None:
    scope = next(iter(by_scope.keys() - set(spec.scopes)))
    key_id, key = by_scope[scope]
    path = re.sub(r"\{[^}]+\}", "nothing", spec.path)
    with server.http(key) as client:
        assert client.request(spec.method, path).status_code == 403
    own = next(line for line in lines(server) if line["actor_key_id"] == key_id)
    assert own["metadata"]["code"] == "missing_scope"
    assert own["metadata"]["request"] == name_of(spec)


def test_closing_the_account_leaves_a_line(start: Start) -> None:
    server = start()
    account = server.http("admin").get("/v1/account").json()["id"]
    server.http("admin").delete("/v1/account")
    found = server.services.context.store.read(lambda tx: tx.audit(account, None, None, 1))
    assert (found[0].action, found[0].resource_id) == ("account.delete", account)


def test_what_is_done_to_a_message_names_actor_action_and_subject(start: Start) -> None:
    server = start()
    agent, reviewer = server.http("agent"), server.http("reviewer")
    box = f"/v1/mailboxes/{server.mailbox.id}"
    server.deliver("Hello", subject="In")
    came = server.wait_for_message("In")["id"]
    body = {"to": ["a@example.com"], "subject": "Secret words", "markdown": "More secret words"}
    sent = agent.post(f"{box}/send", json=body).json()["id"]
    decision = {"email_id": sent, "action": "approve"}
    done: list[tuple[httpx.Response, str, str, httpx.Client]] = [
        (agent.get(f"{box}/emails"), "email.list", server.mailbox.id, agent),
        (agent.get(f"{box}/emails/{came}"), "email.read", came, agent),
        (agent.head(f"{box}/emails/{came}"), "email.peek", came, agent),
        (agent.get(f"{box}/emails/{came}/raw"), "email.read_raw", came, agent),
        (agent.get(f"{box}/emails/{came}/tags"), "email.read_tags", came, agent),
        (agent.put(f"{box}/emails/{came}/tags", json={"tags": {}}), "email.tag", came, agent),
        (agent.post(f"/v1/emails/{came}/report-spam"), "email.report_spam", came, agent),
        (agent.post(f"{box}/emails/{came}/cancel"), "request.refused", came, agent),
        (agent.post("/v1/oversight/decide", json=decision), "request.refused", sent, agent),
        (reviewer.post("/v1/oversight/decide", json=decision), "oversight.approve", sent, reviewer),
        (reviewer.post("/v1/oversight/decide", json={**decision, "action": "reject"}),
         "request.refused", sent, reviewer),
    ]  # fmt: skip
    whole = lines(server)
    actors = {client: client.get("/v1/account").json()["key"]["id"] for client in (agent, reviewer)}
    for reply, action, subject, client in done:
        found = [
            line
            for line in whole
            if (line["action"], line["resource_id"]) == (action, subject)
            and line["actor_key_id"] == actors[client]
        ]
        assert found, (reply.request.method, reply.request.url, action)
        assert found[0]["outcome"] == ("done" if reply.is_success else "refused")
        assert found[0]["mailbox_id"] in (server.mailbox.id, None)
    assert "ecret words" not in str(whole)


def test_a_link_to_an_attachment_leaves_a_line(start: Start) -> None:
    server = start()
    agent = server.http("agent")
    box = f"/v1/mailboxes/{server.mailbox.id}"
    file = {"name": "a.txt", "content_base64": "aGVsbG8=", "content_type": "text/plain"}
    body = {"to": ["a@example.com"], "subject": "s", "markdown": "m", "attachments": [file]}
    sent = agent.post(f"{box}/send", json=body).json()["id"]
    link = agent.get(f"{box}/emails/{sent}/attachments/a.txt/url").json()
    assert httpx.get(link["url"]).content == b"hello"
    read = next(line for line in lines(server) if line["action"] == "attachment.read_by_link")
    assert (read["resource_id"], read["actor_key_id"]) == (link["id"], None)


def test_a_hostile_subject_is_cut_and_never_content(start: Start) -> None:
    server = start()
    agent = server.http("agent")
    agent.get(f"/v1/mailboxes/{'x' * 5000}/emails")
    agent.post("/v1/oversight/decide", content=b'{"email_id": "<b>secret</b>"}')
    first, second = lines(server)[:2]
    assert "secret" not in str(first)
    assert len(second["resource_id"]) <= 100
