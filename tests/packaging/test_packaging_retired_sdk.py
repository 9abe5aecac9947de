"""The retired SDK, unchanged and in its own environment, works against the embedded server."""

from __future__ import annotations

import json

import pytest
from tests.packaging.environments import Environment

from multimail_server.testing import ServerUnderTest

RETIRED = "multimail==0.1.1"

STORY = """
import json, sys
from multimail import MultiMail
from multimail.exceptions import AuthenticationError, MultiMailError, NotFoundError

url, agent_key, reviewer_key, admin_key = sys.argv[1:]
agent = MultiMail(agent_key, base_url=url)
reviewer = MultiMail(reviewer_key, base_url=url)
admin = MultiMail(admin_key, base_url=url)
results = {}

(mailbox,) = agent.list_mailboxes()
box = mailbox["id"]
results["created"] = admin.create_mailbox("second@multimail.test", "Second")["address"]
results["renamed"] = admin.update_mailbox(box, display_name="Renamed")["display_name"]

(row,) = agent.list_emails(box, direction="inbound")["emails"]
email = agent.get_email(box, row["id"])
results["read"] = [email["from"], email["subject"], email["markdown"].strip()]

plan = dict(to=["bob@example.org"], subject="Plan", markdown="Hi", idempotency_key="k1")
sent = agent.send_email(box, **plan)
again = agent.send_email(box, **plan)
results["sent"] = [sent["status"], again["status"], again["id"] == sent["id"]]
reply = agent.reply_email(box, row["id"], markdown="Yes.")
dropped = agent.send_email(box, to=["eve@example.org"], subject="Oops", markdown="No")
results["cancelled"] = agent.cancel_email(box, dropped["id"])["status"]

results["pending"] = sorted(item["subject"] for item in reviewer.list_pending())
results["approved"] = reviewer.decide(sent["id"], "approve")["status"]
results["rejected"] = reviewer.decide(reply["id"], "reject", reason="Too short")["status"]

agent.set_tags(box, row["id"], {"kind": "question", "old": "1"})
agent.delete_tag(box, row["id"], "old")
results["tags"] = agent.get_tags(box, row["id"])["tags"]

contact = agent.add_contact("ann@example.org", "Ann")
results["contacts"] = [contact["email"] for contact in agent.list_contacts(q="ann")]
admin.delete_contact(contact["id"])

thread = agent.get_thread(box, row["thread_id"])
results["thread"] = [email["status"] for email in thread["emails"]]

key = admin.create_api_key("extra", ["read"])
results["key_works"] = len(MultiMail(key["key"], base_url=url).list_mailboxes())
admin.revoke_api_key(key["id"])
results["keys"] = sorted(key["name"] for key in admin.list_api_keys() if not key.get("revoked_at"))
results["account"] = bool(admin.get_account()["id"])
results["usage"] = isinstance(admin.get_usage(), dict)
results["audit"] = sorted({entry["action"] for entry in admin.get_audit_log(limit=100)})

for name, call in {
    "revoked": lambda: MultiMail(key["key"], base_url=url).list_mailboxes(),
    "missing": lambda: agent.get_email(box, "msg_none"),
    "scope": lambda: agent.list_pending(),
}.items():
    try:
        call()
    except MultiMailError as error:
        results[name] = [type(error).__name__, error.status_code]
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def retired(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("retired"))
    environment.install(RETIRED)
    return environment


def test_the_retired_sdk_runs_unchanged(
    retired: Environment, multimail_server: ServerUnderTest
) -> None:
    server = multimail_server
    server.deliver("Can you help?", subject="Question", sender="ann@example.org")
    keys = (server.keys.agent, server.keys.reviewer, server.keys.admin)
    results = json.loads(retired.execute(STORY, server.url, *keys))
    audit = set(results.pop("audit"))
    assert results == {
        "created": "second@multimail.test",
        "renamed": "Renamed",
        "read": ["ann@example.org", "Question", "Can you help?"],
        "sent": ["pending_scan", "already_sent", True],
        "cancelled": "cancelled",
        "pending": ["Plan", "Re: Question"],
        "approved": "approved_and_sent",
        "rejected": "rejected",
        "tags": {"kind": "question"},
        "contacts": ["ann@example.org"],
        "thread": ["read", "rejected"],
        "key_works": 2,
        "keys": ["admin", "agent", "reviewer"],
        "account": True,
        "usage": True,
        "revoked": ["AuthenticationError", 401],
        "missing": ["NotFoundError", 404],
        "scope": ["MultiMailError", 403],
    }
    assert {"email.send", "email.read", "oversight.approve", "email.deliver"} <= audit
    assert [mail["subject"] for mail in server.outbox()] == ["Plan"]
