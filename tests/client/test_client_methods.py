"""Every method of both clients sends the request that the API documents."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from tests.client.support import KEY, Connect, json_response

from multimail._methods import ClientMethod, Methods

BOX = "mb_1"
AT = "/v1/mailboxes/mb_1"
ROWS: dict[str, Any] = {"emails": [], "cursor": None}


@dataclass(frozen=True)
class Case:
    """A method: how it is called, the request that it sends, and the response."""

    method: str
    args: dict[str, Any]
    request: str
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    response: Any = field(default_factory=dict)


def case(method: str, request: str, response: Any = None, **args: Any) -> Case:
    """Return a case; its query is `sent`, or `query` unless that is an argument of the method."""
    query = args.pop("sent") if "sent" in args else args.pop("query", {})
    body = args.pop("body", None)
    return Case(method, args, request, query, body, {} if response is None else response)


WHEN = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
ISO = "2026-12-01T09:30:00.000Z"
EMAIL = {"id": "em_1", "markdown": "Text"}
HEALTH = {"status": "ok"}
SEND_BODY = {
    "to": ["bob@y.test"],
    "cc": ["cy@y.test"],
    "bcc": ["di@y.test"],
    "subject": "Plan",
    "markdown": "*Hi*",
    "send_at": ISO,
    "gate_timing": "gate_first",
    "metadata": {"po": "8821"},
    "oversight_mode": "gated_all",
    "attachments": [
        {"name": "a.txt", "content_type": "text/plain", "content_base64": "aGk="},
    ],
    "idempotency_key": "k1",
}
REPLY_BODY = {"markdown": "Yes", "cc": ["cy@y.test"], "reply_all": True, "idempotency_key": "k2"}

CASES = [
    case(
        "check_inbox",
        f"GET {AT}/emails",
        ROWS,
        limit=5,
        unread_only=True,
        sender="bob@y.test",
        subject_contains="a b&c",
        date_after=WHEN,
        date_before="2026-12-01T10:30:00+01:00",
        direction="inbound",
        has_attachments=False,
        since_id="em_0",
        cursor="c1",
        query={
            "limit": "5",
            "status": "unread",
            "sender": "bob@y.test",
            "subject_contains": "a b&c",
            "date_after": ISO,
            "date_before": ISO,
            "direction": "inbound",
            "has_attachments": "false",
            "since_id": "em_0",
            "cursor": "c1",
        },
    ),
    case("iter_inbox", f"GET {AT}/emails", ROWS, query={"limit": "20"}),
    case(
        "search_email",
        f"GET {AT}/search",
        ROWS,
        query='"a b" -c\ud800',
        sender="bob",
        recipient="ann",
        subject="due",
        date_after=WHEN,
        has_attachments=True,
        unread_only=True,
        direction="inbound",
        tag="a=b",
        label="failed",
        thread_id="th_1",
        limit=5,
        cursor="c1",
        sent={
            "q": '"a b" -c?',
            "sender": "bob",
            "recipient": "ann",
            "subject": "due",
            "date_after": ISO,
            "has_attachments": "true",
            "unread": "true",
            "direction": "inbound",
            "tag": "a=b",
            "label": "failed",
            "thread_id": "th_1",
            "limit": "5",
            "cursor": "c1",
        },
    ),
    case("iter_search", f"GET {AT}/search", ROWS, sent={"limit": "20"}),
    case(
        "mark_email",
        f"PATCH {AT}/emails",
        ROWS,
        email_ids=["em_1", " em_2 "],
        mark="archived",
        body={"ids": ["em_1", "em_2"], "mark": "archived"},
    ),
    case("read_email", f"GET {AT}/emails/em_1", EMAIL, email_id="em_1"),
    case("read_raw", f"GET {AT}/emails/em_1/raw", email_id="em_1"),
    case(
        "get_thread",
        f"GET {AT}/threads/th%3F1",
        {"thread_id": "th?1", "emails": []},
        thread_id="th?1",
        query={"include": "bodies"},
    ),
    case(
        "wait_for_email",
        f"GET {AT}/emails",
        {"emails": [EMAIL]},
        since_id="em_0",
        sender="bob@y.test",
        query={"limit": "100", "direction": "inbound", "since_id": "em_0", "sender": "bob@y.test"},
    ),
    case(
        "download_attachment",
        f"GET {AT}/emails/em_1/attachments/a%20b.txt",
        {"name": "a b.txt", "content_base64": "aGk="},
        email_id="em_1",
        filename="a b.txt",
    ),
    case(
        "get_attachment",
        f"GET {AT}/attachments/att_1",
        {"id": "att_1", "name": "a.txt", "email": EMAIL},
        attachment_id="att_1",
    ),
    case(
        "forward_email",
        f"POST {AT}/forward/em_1",
        {"id": "em_2", "status": "pending_scan"},
        email_id="em_1",
        to="bob@y.test",
        note="See below.",
        include_attachments=False,
        idempotency_key="k",
        body={
            "to": ["bob@y.test"],
            "markdown": "See below.",
            "include_attachments": False,
            "idempotency_key": "k",
        },
    ),
    case(
        "revise_message",
        f"POST {AT}/emails/em_1/revise",
        {"id": "em_1", "status": "pending_send_approval", "content_hash": "h2"},
        email_id="em_1",
        body_="Ho",
        cc=[],
        metadata={"a": "1"},
        content_hash="h",
        body={"markdown": "Ho", "cc": [], "metadata": {"a": "1"}, "content_hash": "h"},
    ),
    case("get_tags", f"GET {AT}/emails/em_1/tags", {"tags": {}}, email_id="em_1"),
    case(
        "set_tags",
        f"PUT {AT}/emails/em_1/tags",
        {"tags": {"a": "1"}},
        email_id="em_1",
        tags={"a": "1"},
        body={"tags": {"a": "1"}},
    ),
    case(
        "tag_email",
        f"PUT {AT}/emails/em_1/tags",
        {"tags": {"old": "1"}},
        email_id="em_1",
        tag="new",
        body={"tags": {"old": "1", "new": "true"}},
    ),
    case("delete_tag", f"DELETE {AT}/emails/em_1/tags/a%2Fb", email_id="em_1", key="a/b"),
    case("list_spam", "GET /v1/emails", ROWS, query={"status": "spam_flagged"}),
    case("report_spam", "POST /v1/emails/em_1/report-spam", email_id="em_1"),
    case("report_not_spam", "POST /v1/emails/em_1/not-spam", email_id="em_1"),
    case(
        "send_email",
        f"POST {AT}/send",
        {"id": "em_2", "status": "pending_scan"},
        to="Bob <bob@y.test>",
        subject="Plan",
        body_="*Hi*",
        cc=["cy@y.test", "CY@y.test"],
        bcc="di@y.test",
        attachments=("a.txt", b"hi"),
        send_at=WHEN,
        gate_timing="gate_first",
        metadata={"po": "8821"},
        oversight_mode="gated_all",
        idempotency_key="k1",
        body=SEND_BODY,
    ),
    case(
        "reply_email",
        f"POST {AT}/reply/em_1",
        {"id": "em_2", "status": "pending_scan"},
        email_id="em_1",
        markdown="Yes",
        cc="cy@y.test",
        reply_all=True,
        idempotency_key="k2",
        body=REPLY_BODY,
    ),
    case("cancel_message", f"POST {AT}/emails/em_1/cancel", HEALTH, message_id="em_1", body={}),
    case(
        "reschedule_email",
        f"PATCH {AT}/emails/em_1/schedule",
        {"id": "em_1", "status": "scheduled", "content_hash": "h2"},
        email_id="em_1",
        send_at="2026-12-01T09:30:00Z",
        to="Bob <bob@y.test>",
        cc=[],
        subject="Plan B",
        body_="Ho",
        attachments=[],
        content_hash="h",
        body={
            "send_at": ISO,
            "to": ["bob@y.test"],
            "cc": [],
            "subject": "Plan B",
            "markdown": "Ho",
            "attachments": [],
            "content_hash": "h",
        },
    ),
    case("list_pending", "GET /v1/oversight/pending", ROWS),
    case(
        "decide_email",
        "POST /v1/oversight/decide",
        {"status": "rejected"},
        message_id="em_1",
        decision="Rejected",
        reason="no",
        content_hash="h",
        body={"email_id": "em_1", "action": "reject", "reason": "no", "content_hash": "h"},
    ),
    case("get_approval", "GET /v1/approve/t_1", EMAIL, token="t_1"),
    case(
        "approve_by_token",
        "POST /v1/approve/t_1",
        token="t_1",
        action="reject",
        reason="no",
        body={"action": "reject", "reason": "no"},
    ),
    case("list_mailboxes", "GET /v1/mailboxes", {"mailboxes": []}),
    case("get_mailbox", f"GET {AT}", {"id": BOX, "address": "ann@x.test"}),
    case(
        "create_mailbox",
        "POST /v1/mailboxes",
        {"id": "mb_2", "address": "new@x.test"},
        address="new@x.test",
        display_name="New",
        oversight_mode="gated_all",
        approver_emails=["boss@x.test"],
        webhook_url="https://x.test/hook",
        body={
            "address": "new@x.test",
            "address_local": "new",
            "display_name": "New",
            "oversight_mode": "gated_all",
            "approver_emails": ["boss@x.test"],
            "webhook_url": "https://x.test/hook",
        },
    ),
    case(
        "update_mailbox",
        f"PATCH {AT}",
        {"mailbox": {"id": BOX}},
        oversight_mode="read_only",
        body={"oversight_mode": "read_only"},
    ),
    case(
        "configure_mailbox",
        f"PATCH {AT}/configure",
        HEALTH,
        scheduling_enabled=True,
        body={"scheduling_enabled": True},
    ),
    case("delete_mailbox", "DELETE /v1/mailboxes/mb_9", mailbox="mb_9"),
    case(
        "request_upgrade",
        f"POST {AT}/request-upgrade",
        target_mode="monitored",
        body={"target_mode": "monitored"},
    ),
    case("redeem_upgrade", f"POST {AT}/upgrade", code="123456", body={"code": "123456"}),
    case(
        "search_contacts",
        "GET /v1/contacts",
        {"contacts": []},
        query_="bo b",
        limit=3,
        query={"q": "bo b", "limit": "3"},
    ),
    case(
        "add_contact",
        "POST /v1/contacts",
        {"id": "c_1"},
        email="Bob <bob@y.test>",
        name="Bob",
        tags=["vip"],
        made_by="tool",
        label="failed",
        body={
            "email": "bob@y.test",
            "name": "Bob",
            "tags": ["vip"],
            "made_by": "tool",
            "label": "failed",
        },
    ),
    case("delete_contact", "DELETE /v1/contacts/c_1", contact_id="c_1"),
    case("get_account", "GET /v1/account", {"id": "acc_1"}),
    case("update_account", "PATCH /v1/account", name="N", body={"name": "N"}),
    case("delete_account", "DELETE /v1/account"),
    case("export_account", "GET /v1/export"),
    case("get_usage", "GET /v1/usage"),
    case("get_audit_log", "GET /v1/audit-log", {"entries": []}, query={"limit": "100"}),
    case("iter_audit_log", "GET /v1/audit-log", {"entries": []}, query={"limit": "100"}),
    case("list_api_keys", "GET /v1/api-keys", {"api_keys": []}),
    case(
        "create_api_key",
        "POST /v1/api-keys",
        {"id": "key_1", "key": "mm_test_new"},
        name="ci",
        scopes=["read", "send"],
        mailbox="mb_1",
        body={"name": "ci", "scopes": ["read", "send"], "mailbox_id": "mb_1"},
    ),
    case(
        "update_api_key", "PATCH /v1/api-keys/key_1", key_id="key_1", name="n", body={"name": "n"}
    ),
    case("revoke_api_key", "DELETE /v1/api-keys/key_1", key_id="key_1"),
    case("list_webhooks", "GET /v1/webhooks", {"subscriptions": []}),
    case(
        "create_webhook",
        "POST /v1/webhooks",
        {"id": "wh_1", "signing_secret": "whsec_1"},
        url="https://x.test/hook",
        events=["email.received"],
        mailbox_id="mb_1",
        body={"url": "https://x.test/hook", "events": ["email.received"], "mailbox_id": "mb_1"},
    ),
    case("get_webhook", "GET /v1/webhooks/wh_1", {"id": "wh_1"}, webhook_id="wh_1"),
    case("delete_webhook", "DELETE /v1/webhooks/wh_1", webhook_id="wh_1"),
    case(
        "list_webhook_deliveries",
        "GET /v1/webhook-deliveries",
        {"deliveries": []},
        status="failed",
        query={"status": "failed"},
    ),
    case("list_domains", "GET /v1/domains", {"domains": []}),
    case("add_domain", "POST /v1/domains", domain="x.test", body={"domain": "x.test"}),
    case("get_domain", "GET /v1/domains/d_1", domain_id="d_1"),
    case("verify_domain", "POST /v1/domains/d_1/verify", domain_id="d_1", body={}),
    case("delete_domain", "DELETE /v1/domains/d_1", domain_id="d_1"),
    case("list_suppressions", "GET /v1/suppression", {"suppressions": []}),
    case(
        "remove_suppression",
        "DELETE /v1/suppression/bob%40y.test",
        address="bob@y.test",
    ),
    case("get_health", "GET /health", HEALTH),
    case("get_signing_key", "GET /.well-known/multimail-signing-key"),
]


def test_every_method_has_a_case() -> None:
    methods = {name for name, value in vars(Methods).items() if isinstance(value, ClientMethod)}
    assert {case.method for case in CASES} == methods
    assert len(CASES) == len(methods)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.method)
async def test_method_sends_the_documented_request(connect: Connect, case: Case) -> None:
    seen: list[httpx.Request] = []

    def serve(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return json_response(case.response)

    api = connect(serve, mailbox=BOX)
    args = {name.removesuffix("_"): value for name, value in case.args.items()}
    await getattr(api, case.method)(**args)

    last = seen[-1]
    assert f"{last.method} {last.url.raw_path.decode().partition('?')[0]}" == case.request
    assert dict(last.url.params) == case.query
    assert (json.loads(last.content) if last.content else None) == case.body
    assert last.headers["authorization"] == f"Bearer {KEY}"
    assert last.headers.get("content-type") == (
        "application/json" if case.body is not None else None
    )
    assert len(seen) == (2 if case.method == "tag_email" else 1)


def test_every_method_documents_its_endpoint() -> None:
    methods = {
        name: value for name, value in vars(Methods).items() if isinstance(value, ClientMethod)
    }
    silent = [name for name, value in methods.items() if "API: " not in (value.__doc__ or "")]
    assert not silent


@pytest.mark.parametrize("name", ["MultiMail", "AsyncMultiMail"])
def test_classes_have_all_methods(name: str) -> None:
    import multimail

    kind = getattr(multimail, name)
    assert {case.method for case in CASES} <= {case for case in dir(kind) if hasattr(kind, case)}
