"""The flat paths do what the product's pages show, and are version 1's operations underneath."""

from __future__ import annotations

import pytest
from tests.support.server import ServerFixture, Start, accepted, refusal

from multimail_server.testing.routes import ALL_ROUTES


@pytest.fixture(params=["", "/v1"])
def root(request: pytest.FixtureRequest) -> str:
    """Both places where the flat paths stand."""
    return str(request.param)


def test_every_flat_path_is_served_at_the_root_and_under_v1() -> None:
    paths = {(spec.method, spec.path) for spec in ALL_ROUTES}
    flat = {(method, path) for method, path in paths if path.count("/") == 1 or "{" in path}
    flat = {(method, path) for method, path in flat if "_" in path.split("/")[1]}
    assert len(flat) == 13
    assert {(method, f"/v1{path}") for method, path in flat} <= paths


def test_an_inbox_is_triaged_with_tags(start: Start, root: str) -> None:
    server = start()
    agent = server.agent
    for number in range(3):
        server.deliver(f"My invoice {number} is wrong.", subject=f"Invoice {number}")
    box = server.mailbox.address
    params: dict[str, str | int | bool] = {"mailbox": box, "unread": True, "limit": 2}
    rows = accepted(agent.get(f"{root}/check_inbox", params=params))["emails"]
    assert [row["subject"] for row in rows] == ["Invoice 2", "Invoice 1"]
    email = accepted(agent.get(f"{root}/read_email/{rows[0]['id']}"))
    assert (email["sender"], email["from"]) == ("sender@example.com",) * 2
    assert email["body"].strip() == "My invoice 2 is wrong."
    assert email["authentication"]["dkim"] == []
    for tag in ("billing", "urgent"):
        answer = agent.post(f"{root}/tag_email", json={"email_id": email["id"], "tag": tag})
        assert accepted(answer)["tag"] == tag
    opened = accepted(agent.get(f"{root}/read_email", params={"message_id": email["id"]}))
    assert opened["tags"] == {"billing": "true", "urgent": "true"}
    left = accepted(agent.get(f"{root}/check_inbox", params={"unread_only": "true"}))
    assert [row["subject"] for row in left["messages"]] == ["Invoice 1", "Invoice 0"]
    assert left["messages"] == left["emails"]


def test_a_reply_waits_is_seen_in_the_thread_and_leaves_when_approved(
    start: Start, root: str
) -> None:
    server = start()
    agent, reviewer = server.agent, server.reviewer
    server.deliver("How do I connect?", subject="Question", sender="priya@example.com")
    asked = accepted(agent.get(f"{root}/check_inbox"))["messages"][0]
    draft = {"email_id": asked["id"], "body": "Hi Priya.", "from": server.mailbox.address}
    response = agent.post(f"{root}/reply_email", json=draft)
    reply = accepted(response)
    assert (response.status_code, reply["status"]) == (202, "pending_approval")
    assert reply["pending_id"] == reply["message_id"]
    thread = accepted(agent.get(f"{root}/get_thread", params={"thread_id": asked["thread_id"]}))
    assert [row["body"].strip() for row in thread["messages"]] == ["How do I connect?", "Hi Priya."]
    assert thread["messages"][1]["status"] == "pending_send_approval"
    assert accepted(agent.get(f"{root}/get_thread/{asked['thread_id']}")) == thread
    pending = accepted(reviewer.get(f"{root}/list_pending"))
    assert [item["message_id"] for item in pending["items"]] == [reply["message_id"]]
    assert pending["messages"][0]["to"] == ["priya@example.com"]
    decided = accepted(
        reviewer.post(
            f"{root}/decide_email", json={"message_id": reply["message_id"], "decision": "approve"}
        )
    )
    assert (decided["status"], decided["delivered"]) == ("sent", True)
    assert decided["delivered_at"].endswith("Z")
    assert [mail["to"] for mail in server.outbox()] == [["priya@example.com"]]


def test_send_takes_one_or_several_recipients_and_returns_the_status(
    start: Start, root: str
) -> None:
    server = start(oversight_mode="autonomous")
    agent = server.agent
    mail = {
        "from": server.mailbox.address,
        "to": "jordan@example.com",
        "subject": "Welcome",
        "body": "Hello.",
        "metadata": {"workflow": "onboarding"},
        "idempotency_key": "jordan-1",
    }
    first = agent.post(f"{root}/send_email", json=mail)
    again = agent.post(f"{root}/send_email", json=mail)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["message_id"] == again.json()["message_id"]
    assert first.json()["status"] in ("sending", "sent")
    assert "pending_id" not in first.json()
    held = accepted(
        agent.post(
            f"{root}/send_email",
            json={**mail, "to": ["a@example.com", "b@example.com"], "idempotency_key": "two",
                  "oversight_mode": "gated_send"},
        )
    )  # fmt: skip
    assert (held["status"], held["oversight_mode"]) == ("pending_approval", "gated_send")
    assert held["to"] == ["a@example.com", "b@example.com"]
    gone = accepted(agent.post(f"{root}/cancel_message", json={"message_id": held["pending_id"]}))
    assert gone["status"] == "cancelled"
    sent = server.wait_for_message(lambda row: row["status"] == "sent", direction="outbound")
    assert sent["metadata"] == {"workflow": "onboarding"}


def test_a_flat_send_cannot_ask_for_less_oversight(server: ServerFixture) -> None:
    mail = {"to": "a@example.com", "subject": "S", "body": "B", "oversight_mode": "autonomous"}
    refused = server.agent.post("/send_email", json=mail)
    assert refusal(refused) == (400, "looser_oversight_mode")


def test_a_key_that_sends_lists_what_it_has_pending_and_decides_nothing(
    start: Start, root: str
) -> None:
    server = start(oversight_mode="gated_all")
    agent, reviewer = server.agent, server.reviewer
    server.deliver("Psst.", subject="Held")
    mail = {"to": "a@example.com", "subject": "S", "body": "B"}
    sent = accepted(agent.post(f"{root}/send_email", json=mail))
    rows = accepted(agent.get(f"{root}/list_pending", params={"mailbox": server.mailbox.id}))[
        "items"
    ]
    assert [row["id"] for row in rows] == [sent["message_id"]]
    assert "body" not in rows[0]
    refused = agent.post(
        f"{root}/decide_email", json={"message_id": sent["message_id"], "action": "approve"}
    )
    assert refusal(refused) == (403, "missing_scope")
    held = accepted(reviewer.get(f"{root}/list_pending"))["items"]
    assert {row["subject"] for row in held} == {"Held", "S"}
    inbound = next(row for row in held if row["subject"] == "Held")
    hidden = accepted(agent.get(f"{root}/read_email/{inbound['id']}"))
    assert (hidden["content_hidden"], hidden["body"], hidden["sender"]) == (True, "", None)
    shut = agent.post(f"{root}/reply_email", json={"email_id": inbound["id"], "body": "Hi"})
    assert refusal(shut) == (409, "pending_approval")


def test_contacts_and_mailboxes(start: Start, root: str) -> None:
    server = start()
    agent, admin = server.agent, server.admin
    for name in ("Ann", "Anna", "Bob"):
        agent.post("/v1/contacts", json={"email": f"{name}@example.com", "name": name})
    params: dict[str, str | int] = {"query": "ann", "limit": 1}
    contacts = accepted(agent.get(f"{root}/search_contacts", params=params))["contacts"]
    assert [entry["name"] for entry in contacts] == ["Ann"]
    made = admin.post(
        f"{root}/create_mailbox",
        json={"address": "sales@multimail.test", "oversight_mode": "gated_all"},
    )
    assert (made.status_code, made.json()["oversight_mode"]) == (201, "gated_all")
    unnamed = agent.get(f"{root}/check_inbox")
    assert unnamed.status_code == 400
    assert "2 mailboxes" in unnamed.json()["error"]


def test_a_key_of_one_mailbox_reaches_no_other(start: Start) -> None:
    server = start()
    admin = server.admin
    accepted(admin.post("/create_mailbox", json={"address": "other"}))
    bound = {"name": "other", "scopes": ["read", "send"], "mailbox_id": "other@multimail.test"}
    other = server.http(accepted(admin.post("/v1/api-keys", json=bound))["key"])
    server.deliver("Mine.", subject="Mine")
    mine = server.wait_for_message("Mine")
    mail = {"from": server.mailbox.address, "to": "a@example.com", "subject": "S", "body": "B"}
    tries = [
        other.get("/check_inbox", params={"mailbox": server.mailbox.address}),
        other.get("/read_email", params={"email_id": mine["id"]}),
        other.get("/get_thread", params={"thread_id": mine["thread_id"]}),
        other.get("/list_pending", params={"mailbox": server.mailbox.address}),
        other.post("/send_email", json=mail),
        other.post("/reply_email", json={"email_id": mine["id"], "body": "B"}),
        other.post("/tag_email", json={"email_id": mine["id"], "tag": "t"}),
        other.post("/cancel_message", json={"message_id": mine["id"]}),
    ]
    assert [(refused.status_code, refused.json()["code"]) for refused in tries] == [
        (404, "not_found")
    ] * len(tries)
    assert accepted(other.get("/check_inbox"))["messages"] == []


def test_a_message_takes_fifty_tags_and_no_more(server: ServerFixture) -> None:
    server.deliver("Tag me.", subject="Tags")
    email = server.wait_for_message("Tags")["id"]
    for number in range(50):
        accepted(server.agent.post("/tag_email", json={"email_id": email, "tag": f"t{number}"}))
    full = server.agent.post("/tag_email", json={"email_id": email, "tag": "more"})
    again = server.agent.post("/tag_email", json={"email_id": email, "tag": "t1", "value": "x"})
    assert refusal(full) == (409, "too_many_tags")
    assert accepted(again)["tags"]["t1"] == "x"
