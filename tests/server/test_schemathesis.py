"""What /openapi.json says, against a live server: no 5xx, nothing that is not in the document.

Schemathesis makes the requests from the document, good and bad ones. Each operation is asked twice:
with the ids that Schemathesis invents, and with ids of things that are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks

from multimail_server import ServerConfig
from multimail_server.api.openapi import describe
from multimail_server.testing import VirtualClock
from multimail_server.testing.routes import ALL_ROUTES
from multimail_server.testing.server import ServerUnderTest

load_all_checks()
_CHECKS: list[Any] = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)
_SETTINGS = settings(
    max_examples=5,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
_DOCUMENT = describe(ALL_ROUTES)


@schemathesis.serializer("application/mbox", "message/rfc822")
def _as_it_is(context: Any, value: Any) -> bytes:
    """Serialise a message's bytes: as they are."""
    del context
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def _schema(*, boundaries: bool) -> schemathesis.BaseSchema:
    """Return the document; `boundaries` adds a request for each limit that it names."""
    schema = schemathesis.openapi.from_dict(_DOCUMENT)
    schema.config.phases.coverage.enabled = boundaries
    return schema


# The account's end would be the end of every other test; so would erased mail, injected faults,
# and time that makes what is held expire.
_RUINOUS = ["/v1/test/reset", "/v1/test/faults", "/v1/test/clock/advance"]
hostile = _schema(boundaries=True).exclude(method="DELETE", path="/v1/account")
hostile = hostile.exclude(method="POST", path=_RUINOUS)
# A flat path reads the same bodies and calls the same services.
hostile = hostile.exclude(path_regex="^(/v1)?/[a-z]+_")
usual = _schema(boundaries=False).exclude(method="DELETE").exclude(method="POST", path=_RUINOUS)


@dataclass(frozen=True)
class Place:
    """A server with something in it, and the ids of what is there."""

    url: str
    keys: dict[str, str]
    ids: dict[str, str]

    def headers(self, case: schemathesis.Case[Any]) -> dict[str, str]:
        """Return the header of a key that may do what the case asks for."""
        security = case.operation.definition.raw["security"]
        scopes = {scope for way in security for names in way.values() for scope in names}
        role = "reviewer" if "oversight" in scopes and "read" not in scopes else "owner"
        return {"Authorization": f"Bearer {self.keys[role]}"}


# Without a parameter of its own, pytest 9.2 gives all operations of a test one id, and xdist's
# `loadgroup` runs one test for each id.
@pytest.fixture(scope="module", params=["furnished"])
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server with a message, a thread, a contact, a held send, a webhook and a domain."""
    zone = tmp_path_factory.mktemp("dns") / "empty.zone"
    zone.write_text("")
    config = ServerConfig(port=0, smtp_port=0, dns_zone=zone, clock=VirtualClock())
    with ServerUnderTest(config) as server:
        yield furnished(server)


def furnished(server: ServerUnderTest) -> Place:
    with server.http("admin") as admin, server.http("agent") as agent:
        new = {"name": "owner", "scopes": ["read", "send", "admin"]}
        owner = admin.post("/v1/api-keys", json=new).json()["key"]
        spare = admin.post("/v1/api-keys", json={"name": "spare"}).json()["id"]
        hook = {"url": "http://127.0.0.1:9/hook", "events": ["message.received"]}
        webhook = admin.post("/v1/webhooks", json=hook).json()["id"]
        admin.post("/v1/domains", json={"domain": "own.example"}).raise_for_status()
        server.deliver("A question.", subject="Question")
        email = server.wait_for_message("Question")
        reply = {"email_id": email["id"], "body": "An answer."}
        held = agent.post("/reply_email", json=reply).raise_for_status().json()["id"]
        agent.post("/tag_email", json={"email_id": email["id"], "tag": "t"}).raise_for_status()
        contact = agent.post("/v1/contacts", json={"email": "a@example.com"}).json()["id"]
        delivery = admin.get("/v1/webhook-deliveries").json()["deliveries"][0]["id"]
    with server.http("reviewer") as reviewer:
        link = reviewer.post(f"/v1/oversight/{held}/approval-link", json={}).json()
    ids = {
        "mailbox": server.mailbox.id,
        "from": server.mailbox.id,
        "email": email["id"],
        "email_id": email["id"],
        "thread": email["thread_id"],
        "thread_id": email["thread_id"],
        "contact": contact,
        "key": spare,
        "webhook": webhook,
        "webhook_id": webhook,
        "delivery": delivery,
        "domain": "own.example",
        "token": link["token"],
    }
    return Place(server.url, {"owner": owner, "reviewer": server.keys.reviewer}, ids)


@hostile.parametrize()
@settings(_SETTINGS, max_examples=1)
def test_invented_ids(case: schemathesis.Case[Any], place: Place) -> None:
    response = case.call_and_validate(
        base_url=place.url, headers=place.headers(case), checks=_CHECKS
    )
    assert response.status_code != 401


@usual.parametrize()
@_SETTINGS
def test_ids_of_things_that_are_there(case: schemathesis.Case[Any], place: Place) -> None:
    for where in (case.path_parameters, case.query, case.body):
        if isinstance(where, dict):
            where.update({name: place.ids[name] for name in set(where) & set(place.ids)})
            # A mailbox that is tightened once would refuse everything from then on.
            where.pop("oversight_mode", None)
    response = case.call_and_validate(
        base_url=place.url, headers=place.headers(case), checks=_CHECKS
    )
    assert response.status_code != 401
