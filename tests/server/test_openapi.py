"""/openapi.json describes what is served: every route, every field of every answer, every error."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from tests.server.conversation import HOOK, Step, conversation
from tests.support.server import Json, ServerFixture, Start

from multimail_server.testing import VirtualClock
from multimail_server.testing.routes import ALL_ROUTES


@pytest.fixture(scope="module")
def document(server: ServerFixture) -> Json:
    answer: Json = httpx.get(f"{server.url}/openapi.json").json()
    return answer


def test_it_is_valid_openapi_and_names_this_server(document: Json, server: ServerFixture) -> None:
    validate(document)
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": server.url}]


def test_it_has_every_route_and_nothing_else(document: Json) -> None:
    described = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    assert described == {(route.method, route.openapi_path) for route in ALL_ROUTES}


def test_every_operation_has_a_name_of_its_own_and_a_summary(document: Json) -> None:
    operations = [spec for methods in document["paths"].values() for spec in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] for operation in operations)


def test_scopes_are_the_routes_own(document: Json) -> None:
    for route in ALL_ROUTES:
        operation = document["paths"][route.openapi_path][route.method.lower()]
        scopes = {name for way in operation["security"] for names in way.values() for name in names}
        assert scopes == set(route.scopes)
        assert ("401" in operation["responses"]) is bool(route.scopes)


def test_aliases_are_documented(document: Json) -> None:
    field = document["components"]["schemas"]["DecideIn"]["properties"]["email_id"]
    assert field["description"] == "Also read as `message_id`, `id`."


def test_without_a_key_every_route_that_needs_one_says_so(
    document: Json, server: ServerFixture
) -> None:
    error = checker(document, "ErrorOut")
    with httpx.Client(base_url=server.url) as anonymous:
        for route in ALL_ROUTES:
            if route.scopes:
                answer = anonymous.request(route.method, route.openapi_path)
                assert answer.status_code == 401, route.path
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


def test_every_field_of_every_real_answer_is_described(
    document: Json, start: Start, tmp_path: Path
) -> None:
    zone = tmp_path / "empty.zone"
    zone.write_text("")
    server = start(clock=VirtualClock(), dns_zone=zone)
    seen = asked(document, server, conversation(server))
    flat_twins = {(method, f"/v1{path}") for method, path in seen}
    served = {(route.method, route.openapi_path) for route in ALL_ROUTES}
    assert served - seen - flat_twins == {("GET", "/v1/attachments/{attachment}")}


def test_a_change_that_waits_for_a_code_is_described(document: Json, start: Start) -> None:
    server = start(approval_codes=True)
    key = {"key": server.admin.get("/v1/api-keys").json()["keys"][0]["id"]}
    hook = {"url": HOOK, "events": ["message.received"]}
    box = {"mailbox": server.mailbox.id}
    steps: list[Step] = [
        ("admin", "POST", "/v1/api-keys", {}, {"json": {"name": "spare"}}),
        ("admin", "PATCH", "/v1/api-keys/{key}", key, {"json": {"scopes": ["read"]}}),
        ("admin", "POST", "/v1/mailboxes", {}, {"json": {"address": "new"}}),
        ("admin", "POST", "/create_mailbox", {}, {"json": {"address": "new"}}),
        ("admin", "PATCH", "/v1/mailboxes/{mailbox}", box, {"json": {"webhook_url": HOOK}}),
        ("admin", "POST", "/v1/webhooks", {}, {"json": hook}),
        ("reviewer", "GET", "/v1/oversight/approval-codes", {}, {}),
    ]
    asked(document, server, steps)
    codes = server.reviewer.get("/v1/oversight/approval-codes").json()["approval_codes"]
    assert len(codes) == len(steps) - 1


def asked(document: Json, server: ServerFixture, steps: Iterable[Step]) -> set[tuple[str, str]]:
    """Make the requests, compare each answer with the document, and return what was asked."""
    seen: set[tuple[str, str]] = set()
    for key, method, path, values, more in steps:
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
    return seen
