"""Models accept every spelling of the API; missing authentication is never a pass."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.client.support import AT_ONCE, BASE, KEY, Connect, Handler, json_response

from multimail import AsyncMultiMail, InvalidResponseError, MultiMail, MultiMailError
from multimail.models import (
    AttachmentContent,
    Contact,
    Email,
    EmailSummary,
    Mailbox,
    NewApiKey,
    NewWebhook,
    PendingEmail,
    SendResult,
    Tags,
    Thread,
)
from multimail.trust.evidence import Authentication, AuthResult

PASS, FAIL, UNKNOWN = AuthResult.PASS, AuthResult.FAIL, AuthResult.UNKNOWN
PLAIN = {
    "id": "em_1",
    "from": "bob@y.test",
    "to": ["ann@x.test"],
    "received_at": "2026-11-20T08:00:00Z",
    "markdown": "Text",
}


def respelt(name: str, spelling: str, value: Any = None) -> dict[str, Any]:
    message: dict[str, Any] = dict(PLAIN)
    message[spelling] = message.pop(name) if value is None else (message.pop(name), value)[1]
    return message


@pytest.mark.parametrize(
    "message",
    [
        *[respelt("id", key) for key in ("id", "email_id", "message_id", "pending_id")],
        *[
            respelt("markdown", row)
            for row in ("markdown", "body_markdown", "body", "body_text", "text_body")
        ],
        *[respelt("from", key) for key in ("from", "sender", "from_address")],
        *[respelt("to", key) for key in ("to", "to_addresses")],
        respelt("to", "to", "ann@x.test"),
        *[respelt("received_at", key) for key in ("received_at", "created_at")],
    ],
    ids=lambda message: "+".join(message),
)
def test_email_accepts_every_spelling(message: dict[str, Any]) -> None:
    email = Email.model_validate(message)
    assert (email.id, email.message_id) == ("em_1", "em_1")
    assert (email.sender, email.to) == ("bob@y.test", ["ann@x.test"])
    assert (email.markdown, email.body) == ("Text", "Text")
    assert email.received_at is not None
    assert email.received_at.isoformat() == "2026-11-20T08:00:00+00:00"
    assert email.created_at == email.received_at


def replying(reply: httpx.Response) -> Handler:
    return lambda request: reply


@pytest.mark.parametrize("key", ["emails", "messages", "items", "pending"])
async def test_page_accepts_every_key(connect: Connect, key: str) -> None:
    api = connect(lambda request: json_response({key: [PLAIN], "cursor": "c2"}), mailbox="mb_1")
    page = await api.check_inbox()
    assert [row.id for row in page] == ["em_1"]
    assert page.messages is page.items
    assert (len(page), page[0].id, page.cursor) == (1, "em_1", "c2")
    assert [row.id for row in (await api.list_pending()).messages] == ["em_1"]


@pytest.mark.parametrize(
    ("method", "keys"),
    [
        ("list_webhooks", ["subscriptions", "webhooks"]),
        ("list_api_keys", ["api_keys", "keys"]),
        ("list_mailboxes", ["mailboxes"]),
        ("search_contacts", ["contacts"]),
        ("list_domains", ["domains"]),
        ("list_suppressions", ["suppressions", "suppression"]),
    ],
)
async def test_list_accepts_every_key(connect: Connect, method: str, keys: list[str]) -> None:
    for key in keys:
        reply = json_response({key: [{"id": "1"}]})
        rows = await getattr(connect(replying(reply)), method)()
        assert len(rows) == 1, key


async def test_missing_list_is_an_invalid_response(connect: Connect) -> None:
    api = connect(lambda request: json_response({"emials": []}), mailbox="mb_1")
    with pytest.raises(InvalidResponseError, match="no list under any of emails"):
        await api.check_inbox()


@pytest.mark.parametrize("key", ["emails", "messages", "items"])
def test_thread_accepts_every_key(key: str) -> None:
    thread = Thread.model_validate({"thread_id": "th_1", key: [PLAIN]})
    assert thread.thread_id == "th_1"
    assert [row.id for row in thread.messages] == ["em_1"]


def test_unknown_fields_are_kept() -> None:
    email = Email.model_validate({**PLAIN, "mood": "sunny"})
    assert email.model_extra is not None
    assert email.model_extra["mood"] == "sunny"


@pytest.mark.parametrize("given_tags", [["a", "b"], {"a": "true", "b": "true"}])
def test_tags_accept_names_or_a_mapping(given_tags: Any) -> None:
    assert Email.model_validate({**PLAIN, "tags": given_tags}).tags == {"a": "true", "b": "true"}
    assert Tags.model_validate({"tags": given_tags}).tags == {"a": "true", "b": "true"}


def test_null_fields_get_empty_values() -> None:
    nothing = dict.fromkeys(
        ["to", "cc", "bcc", "tags", "attachments", "subject", "markdown", "metadata", "sender"]
    )
    email = Email.model_validate({"id": "em_1", **nothing})
    assert (email.to, email.cc, email.tags, email.attachments) == ([], [], {}, [])
    assert (email.subject, email.markdown, email.sender) == ("", "", "")
    assert Tags.model_validate({"tags": None}).tags == {}


@pytest.mark.parametrize("spelling", ["authentication", "auth_results", "authentication_results"])
def test_authentication_accepts_every_name(spelling: str) -> None:
    evidence = {
        "dkim": [{"domain": "y.test", "selector": "s1", "result": "pass", "aligned": True}],
        "spf": {"result": "softfail", "domain": "y.test"},
        "dmarc": {"result": "fail", "policy": "reject"},
    }
    read = Email.model_validate({**PLAIN, spelling: evidence}).authentication
    assert read is not None
    assert (read.dkim[0].result, read.dkim[0].domain, read.dkim[0].aligned) == (
        PASS,
        "y.test",
        True,
    )
    assert read.spf is not None
    assert read.spf.result is AuthResult.SOFTFAIL
    assert read.dmarc is not None
    assert (read.dmarc.result, read.dmarc.policy) == (FAIL, "reject")
    assert read.arc is None


@pytest.mark.parametrize(
    "message",
    [
        {"dkim": "pass", "spf": "fail"},
        {"dkim": "PASS", "spf": "Fail"},
        {"dkim": {"result": "pass"}, "spf": {"result": "fail"}},
        {"dkim": True, "spf": False},
        {"dkim_valid": True, "spf_valid": False},
        {"authentication": {"dkim": "pass", "spf": "fail"}},
        {"auth_results": {"dkim": True, "spf": False, "dmarc": None}},
        {"authentication": {"dkim": ["pass"], "spf": {"result": "fail", "domain": None}}},
    ],
)
def test_short_forms_of_authentication(message: dict[str, Any]) -> None:
    read = Email.model_validate({**PLAIN, **message}).authentication
    assert read is not None
    assert [row.result for row in read.dkim] == [PASS]
    assert read.spf is not None
    assert read.spf.result is FAIL
    assert read.dmarc is None


def passes(evidence: Authentication | None) -> set[str]:
    """Return the methods with the result `pass`."""
    if evidence is None:
        return set()
    single = {"spf": evidence.spf, "dmarc": evidence.dmarc, "arc": evidence.arc}
    passed = {name for name, row in single.items() if row is not None and row.result is PASS}
    return passed | ({"dkim"} if any(row.result is PASS for row in evidence.dkim) else set())


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"authentication": None},
        {"authentication": {}},
        {"authentication": "dkim=pass"},
        {"authentication": {"dkim": {"domain": "y.test"}, "spf": {}}},
        {"authentication": {"dkim": [], "spf": "passed", "dmarc": "pass "}},
        {"authentication": {"dkim": [{"result": True}], "spf": {"result": 1}}},
        {"dkim_valid": "true", "spf_valid": 1, "dmarc_valid": None},
        {"dkim": "ok", "spf": "valid", "dmarc": "yes"},
        {"authentication": {"spf": 1, "dmarc": ["x"], "dkim": 7, "structure": 5}},
    ],
)
def test_missing_or_invalid_authentication_never_passes(message: dict[str, Any]) -> None:
    email = Email.model_validate({**PLAIN, **message})
    assert email.id == "em_1"
    assert passes(email.authentication) == set()


def test_an_invalid_result_does_not_hide_the_others() -> None:
    odd = {"dkim": 7, "spf": {"result": "pass"}, "dmarc": {"result": "fail", "domain": ["x"]}}
    read = Email.model_validate({**PLAIN, "authentication": odd}).authentication
    assert passes(read) == {"spf"}
    assert read is not None
    assert read.dmarc is None


def test_authentication_model_is_kept() -> None:
    evidence = Authentication.model_validate({"spf": {"result": "pass"}})
    email = EmailSummary.model_validate({"id": "em_1", "authentication": evidence})
    assert email.authentication == evidence
    assert Email.model_validate(email.model_dump()).authentication == evidence


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
_RESULTS = st.sampled_from(["pass", "fail", "none", "PASS", "passed", ""]) | _JSON
_FINDING = _RESULTS | st.fixed_dictionaries({}, optional={"result": _RESULTS, "domain": _JSON})


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    evidence=st.dictionaries(
        st.sampled_from(["dkim", "spf", "dmarc", "arc", "structure", "x"]),
        _FINDING | st.lists(_FINDING, max_size=3),
    )
)
def test_only_pass_passes(evidence: dict[str, Any]) -> None:
    read = Email.model_validate({"id": "em_1", "authentication": evidence}).authentication
    for method in passes(read):
        text = json.dumps(evidence[method]).lower()
        assert '"pass"' in text or "true" in text


@pytest.mark.parametrize(
    ("reply", "status", "held", "duplicate"),
    [
        ({"status": "pending_scan"}, "pending", None, False),
        ({"status": "pending_send_approval"}, "pending", True, False),
        ({"status": "pending_approval"}, "pending", True, False),
        ({"status": "pending"}, "pending", None, False),
        ({"status": "pending", "held": False}, "pending", False, False),
        (
            {"status": "pending_scan", "message_status": "pending_send_approval"},
            "pending",
            True,
            False,
        ),
        ({"status": "scheduled"}, "scheduled", None, False),
        ({"status": "sent"}, "sent", None, False),
        ({"status": "already_sent", "idempotent": True}, "already_sent", None, True),
        ({"status": "already_sent", "message_status": "delivered"}, "delivered", None, True),
        ({"status": None}, "", None, False),
        ({"status": "a word of tomorrow"}, "a word of tomorrow", None, False),
    ],
)
@pytest.mark.parametrize("name", ["id", "message_id", "pending_id", "email_id"])
def test_send_result_status(
    reply: dict[str, Any], status: str, held: bool | None, duplicate: bool, name: str
) -> None:
    result = SendResult.model_validate({**reply, name: "em_1"})
    assert (result.id, result.message_id) == ("em_1", "em_1")
    assert (result.status, result.held, result.duplicate) == (status, held, duplicate)
    assert result.wire_status == (reply["status"] or "")
    assert SendResult.model_validate(result.model_dump()) == result


@pytest.mark.parametrize(
    ("mode", "holds"),
    [("gated_send", True), ("gated_all", True), ("monitored", False), (None, None)],
)
def test_holds_sends_by_oversight_mode(mode: str | None, holds: bool | None) -> None:
    assert Mailbox.model_validate({"id": "mb_1", "oversight_mode": mode}).holds_sends is holds


def test_other_models_accept_every_spelling() -> None:
    assert Mailbox.model_validate({"mailbox_id": "mb_1", "email": "a@x.test"}).id == "mb_1"
    assert Contact.model_validate({"address": "a@x.test", "tags": "vip"}).tags == ["vip"]
    assert AttachmentContent.model_validate({"filename": "a", "content": "aGk="}).name == "a"
    assert NewApiKey.model_validate({"raw_key": "mm_test_1"}).key == "mm_test_1"
    assert NewWebhook.model_validate({"secret": "whsec_1"}).signing_secret == "whsec_1"


def test_new_secrets_do_not_print() -> None:
    key = NewApiKey.model_validate({"id": "1", "key": "mm_s", "api_key": "mm_s", "raw_key": "mm_s"})
    hook = NewWebhook.model_validate({"id": "1", "secret": "whsec_s", "signing_secret": "whsec_s"})
    assert (key.key, hook.signing_secret) == ("mm_s", "whsec_s")
    assert "mm_s" not in f"{key!r} {key}"
    assert "whsec_s" not in f"{hook!r} {hook}"


_NAMES = st.sampled_from(
    ["id", "status", "emails", "messages", "items", "pending", "from", "to", "subject", "cursor",
     "tags", "thread_id", "mailbox_id", "cc", "received_at", "authentication", "attachments",
     "content_base64", "url", "key", "mailbox", "mailboxes"]
)  # fmt: skip
_REPLIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=12,
)
_METHOD_CALLS: list[tuple[str, dict[str, Any]]] = [
    ("check_inbox", {}),
    ("read_email", {"email_id": "em_1"}),
    ("get_thread", {"thread_id": "th_1"}),
    ("download_attachment", {"email_id": "em_1", "filename": "a"}),
    ("tag_email", {"email_id": "em_1", "tag": "a"}),
    ("send_email", {"to": "bob@y.test", "subject": "S", "body": "B"}),
    ("cancel_message", {"message_id": "em_1"}),
    ("list_pending", {}),
    ("decide_email", {"message_id": "em_1", "action": "approve"}),
    ("get_mailbox", {}),
    ("update_mailbox", {"display_name": "A"}),
    ("add_contact", {"email": "bob@y.test"}),
    ("get_audit_log", {}),
    ("create_api_key", {"name": "n"}),
    ("get_health", {}),
    ("get_usage", {}),
    ("list_mailboxes", {}),
]


@given(
    reply=_REPLIES,
    case=st.sampled_from(_METHOD_CALLS),
    status=st.sampled_from([200, 202, 400, 429, 503]),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_response_raises_only_multimail_errors(
    reply: Any, case: tuple[str, dict[str, Any]], status: int
) -> None:
    transport = httpx.MockTransport(
        lambda request: httpx.Response(status, content=json.dumps(reply).encode())
    )
    method, args = case
    with (
        MultiMail(KEY, base_url=BASE, mailbox="mb_1", retry=AT_ONCE, transport=transport) as client,
        contextlib.suppress(MultiMailError),
    ):
        getattr(client, method)(**args)


@pytest.mark.parametrize(
    "content",
    [b"<html>Sign in to the hotel's network</html>", b'{"emails": [', b"[" * 60_000, b"\xff\xfe"],
    ids=["a portal", "cut JSON", "very deep JSON", "no text"],
)
async def test_foreign_response_is_an_invalid_response(connect: Connect, content: bytes) -> None:
    page = {"content-type": "text/html"}
    api = connect(
        lambda request: httpx.Response(200, content=content, headers=page), mailbox="mb_1"
    )
    with pytest.raises(InvalidResponseError) as caught:
        await api.check_inbox()
    assert "check_inbox: The response (200, text/html) could not be parsed" in str(caught.value)
    assert "base URL" in str(caught.value)


async def test_a_redirect_is_not_followed(connect: Connect) -> None:
    api = connect(lambda request: httpx.Response(302, headers={"location": "https://evil.test"}))
    with pytest.raises(InvalidResponseError, match="redirect"):
        await api.list_mailboxes()


def test_both_clients_have_the_same_methods() -> None:
    methods, async_methods = (
        {name for name in dir(client_class) if not name.startswith("_")}
        for client_class in (MultiMail, AsyncMultiMail)
    )
    assert methods == async_methods


def test_a_pending_email_is_an_email() -> None:
    assert PendingEmail.model_validate({**PLAIN, "mailbox_id": "mb_1"}).mailbox_id == "mb_1"
