"""/openapi.json describes what is served: every route, every field of every answer, every error."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from multimail_server.harness import ServerUnderTest
from multimail_server.web.openapi import described_path
from multimail_server.web.operations import OPERATIONS
from multimail_server.web.routes import ALL

Json = dict[str, Any]
Start = Callable[..., ServerUnderTest]


@pytest.fixture(scope="module")
def document(server: ServerUnderTest) -> Json:
    answer: Json = httpx.get(f"{server.url}/openapi.json").json()
    return answer


def test_it_is_valid_openapi_and_names_this_server(document: Json, server: ServerUnderTest) -> None:
    validate(document)
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": server.url}]


def test_it_has_every_route_and_nothing_else(document: Json) -> None:
    described = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    assert described == {(spec.method, described_path(spec.path)) for spec in ALL}


def test_every_route_has_its_shapes_in_the_table_of_operations() -> None:
    """A new route needs an entry in web/operations.py: what it takes and answers."""
    assert set(OPERATIONS) == {(spec.method, described_path(spec.path)) for spec in ALL}


def test_every_operation_has_a_name_of_its_own_and_a_summary(document: Json) -> None:
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] for operation in operations)


def test_scopes_are_the_routes_own(document: Json) -> None:
    for spec in ALL:
        operation = document["paths"][described_path(spec.path)][spec.method.lower()]
        scopes = {name for way in operation["security"] for names in way.values() for name in names}
        assert scopes == set(spec.scopes)
        assert ("401" in operation["responses"]) is bool(spec.scopes)


def test_other_spellings_are_told(document: Json) -> None:
    field = document["components"]["schemas"]["DecideBody"]["properties"]["email_id"]
    assert field["description"] == "Also read as `message_id`, `id`."


def test_without_a_key_every_route_that_needs_one_says_so(
    document: Json, server: ServerUnderTest
) -> None:
    error = checker(document, "ErrorAnswer")
    with httpx.Client(base_url=server.url) as nobody:
        for spec in ALL:
            if spec.scopes:
                answer = nobody.request(spec.method, described_path(spec.path))
                assert answer.status_code == 401, spec.path
                assert "Bearer" in answer.headers["WWW-Authenticate"]
                error.validate(answer.json())


def checker(document: Json, name: str) -> Draft202012Validator:
    """Return a validator to which a field that is not described is an error."""
    schemas = copy.deepcopy(document["components"]["schemas"])
    for schema in schemas.values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}},
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


def test_every_field_of_every_real_answer_is_described(document: Json, start: Start) -> None:
    server = start()
    seen: set[tuple[str, str]] = set()
    for key, method, path, values, more in conversation(server):
        with server.http(key) as client:
            answer = client.request(method, path.format(**values), **more)
        assert answer.is_success, (method, path, answer.text)
        described = document["paths"][path][method.lower()]["responses"][str(answer.status_code)]
        seen.add((method, path))
        kind = answer.headers["content-type"].partition(";")[0]
        assert kind in described["content"], path
        if "$ref" in described["content"][kind].get("schema", {}):
            name = described["content"][kind]["schema"]["$ref"].rpartition("/")[2]
            faults = [error.message for error in checker(document, name).iter_errors(answer.json())]
            assert not faults, (method, path, name, faults)
    flat_twins = {(method, f"/v1{path}") for method, path in seen}
    assert set(OPERATIONS) - seen - flat_twins == {("GET", "/v1/attachments/{attachment}")}


Step = tuple[str, str, str, Json, Json]


def conversation(server: ServerUnderTest) -> Iterator[Step]:
    """Yield a request for each operation, in an order in which all of them succeed."""
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
        "key": "t",
    }
    yield from reading(ids)
    yield from flat(ids, other)
    yield from sending(server, ids)
    yield from administration(server)


def reading(ids: Json) -> Iterator[Step]:
    root = "/v1/mailboxes/{mailbox}"
    email = f"{root}/emails/{{email}}"
    for path in ("/health", "/openapi.json", "/v1/mailboxes", root, f"{root}/emails", email):
        yield "agent", "GET", path, ids, {}
    yield "agent", "PUT", f"{email}/tags", ids, {"json": {"tags": {"t": "1"}}}
    for rest in ("raw", "tags", "attachments/{filename}", "attachments/{filename}/url"):
        yield "agent", "GET", f"{email}/{rest}", ids, {}
    yield "agent", "DELETE", f"{email}/tags/{{key}}", ids, {}
    thread = f"{root}/threads/{{thread}}"
    yield "agent", "GET", thread, ids, {}
    yield "agent", "GET", thread, ids, {"params": {"include": "bodies"}}
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


def tomorrow(server: ServerUnderTest, days: int) -> str:
    return (server.room.desk.now() + timedelta(days=days)).isoformat()


def administration(server: ServerUnderTest) -> Iterator[Step]:
    with server.http("agent") as agent:
        contact = agent.get("/v1/contacts").json()["contacts"][0]["id"]
    yield "admin", "DELETE", "/v1/contacts/{contact}", {"contact": contact}, {}
    for path in ("/v1/mailboxes", "/create_mailbox"):
        yield "admin", "POST", path, {}, {"json": {"address": f"new{len(path)}"}}
    spare = {"mailbox": f"new13@{server.config.domain}"}
    change = {"display_name": "N", "auto_cc": "a@example.com", "forward_inbound": True}
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
    yield "admin", "DELETE", "/v1/account", {}, {}


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
