"""Approval codes: a sensitive change is made only with a code that a person has handed on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.support.server import Json, ServerFixture, Start, refusal

from multimail import ApprovalRequiredError, MultiMail
from multimail_server.testing import VirtualClock

KEY = {"name": "new", "scopes": ["read"]}


@pytest.fixture
def strict(start: Start, clock: VirtualClock) -> ServerFixture:
    return start(clock=clock, approval_codes=True)


def codes(server: ServerFixture) -> list[Json]:
    rows: list[Json] = server.reviewer.get("/v1/oversight/approval-codes").json()["approval_codes"]
    return rows


def create_key(server: ServerFixture, **more: Any) -> httpx.Response:
    return server.admin.post("/v1/api-keys", json={**KEY, **more})


def key_names(server: ServerFixture) -> set[str]:
    return {row["name"] for row in server.admin.get("/v1/api-keys").json()["keys"]}


def test_the_first_call_is_a_202_and_the_same_call_with_the_code_is_carried_out(
    strict: ServerFixture,
) -> None:
    first = create_key(strict)
    assert (first.status_code, first.json()["status"]) == (202, "approval_required")
    assert key_names(strict) == {"agent", "reviewer", "admin"}
    [row] = codes(strict)
    assert (row["request"], row["body"]) == ("POST /v1/api-keys", KEY)
    assert row["code"] not in first.text
    second = create_key(strict, approval_code=row["code"])
    assert second.status_code == 201
    assert second.json()["key"].startswith("mm_test_")
    assert codes(strict) == []
    assert refusal(create_key(strict, approval_code=row["code"])) == (403, "wrong_code")


def test_a_code_is_for_one_request(strict: ServerFixture) -> None:
    create_key(strict)
    code = codes(strict)[0]["code"]
    other = create_key(strict, scopes=["admin"], approval_code=code)
    assert other.json()["code"] == "code_for_another_request"
    box = strict.admin.post("/v1/mailboxes", json={"address": "new", "approval_code": code})
    assert box.status_code == 403
    assert create_key(strict, approval_code=code).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/mailboxes", {"address": "new"}),
        ("PATCH", "/v1/api-keys/{agent}", {"scopes": ["read"]}),
        ("PATCH", "/v1/mailboxes/{mailbox}", {"webhook_url": "https://example.com/hook"}),
        ("PATCH", "/v1/mailboxes/{mailbox}/configure", {"webhook_url": "https://example.com/h"}),
    ],
)
def test_every_route_to_a_sensitive_change_asks_for_a_code(
    strict: ServerFixture, method: str, path: str, body: Json
) -> None:
    where = path.format(agent=strict.key_id("agent"), mailbox=strict.mailbox.id)
    assert strict.admin.request(method, where, json=body).status_code == 202
    code = codes(strict)[0]["code"]
    done = strict.admin.request(method, where, json={**body, "approval_code": code})
    assert done.status_code in (200, 201)


def test_what_is_not_sensitive_needs_no_code(strict: ServerFixture) -> None:
    assert strict.configure(oversight_mode="read_only").status_code == 200
    assert codes(strict) == []


def test_a_code_ends_after_a_day_or_five_wrong_ones(
    strict: ServerFixture, clock: VirtualClock
) -> None:
    create_key(strict)
    old = codes(strict)[0]["code"]
    clock.advance(timedelta(hours=24))
    assert create_key(strict, approval_code=old).status_code == 403
    create_key(strict)
    code = codes(strict)[0]["code"]
    for guess in ("0000-0000-0000-0000", "", "x", old, "ABCD", code):
        assert create_key(strict, approval_code=guess).status_code == 403
    assert "new" not in key_names(strict)
    assert create_key(strict, approval_code=7).status_code == 400


def test_twenty_codes_an_hour(strict: ServerFixture) -> None:
    assert [create_key(strict).status_code for _ in range(21)] == [202] * 20 + [429]


def test_the_client_raises_and_takes_the_code(strict: ServerFixture) -> None:
    with MultiMail(strict.keys.admin, base_url=strict.url) as client:
        with pytest.raises(ApprovalRequiredError, match="approval_code") as caught:
            client.create_api_key("new", ["read"])
        assert caught.value.status_code == 202
        code = codes(strict)[0]["code"]
        assert client.create_api_key("new", ["read"], approval_code=code).key
        with pytest.raises(ApprovalRequiredError):
            client.create_mailbox("another")
        code = codes(strict)[0]["code"]
        assert client.create_mailbox("another", approval_code=code).address.startswith("another@")


def test_a_server_without_the_setting_asks_for_no_code(server: ServerFixture) -> None:
    assert create_key(server).status_code == 201


def test_a_hostile_path_is_escaped_on_the_terminal(start: Start) -> None:
    lines: list[str] = []
    server = start(approval_codes=True, notify_operator=lines.append)
    path = "/v1/api-keys/%1b%5b31m%0aYour%20code"
    assert server.admin.patch(path, json={"scopes": ["read"]}).status_code == 202
    assert lines[0].isprintable()
