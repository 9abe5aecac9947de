"""The review page: who gets in, for how long, and how often one may guess."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from tests.server.pages import Person, get_text

from multimail_server.testing import VirtualClock
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]


def test_the_reviewers_key_opens_the_queue(server: ServerUnderTest) -> None:
    person = Person(server)
    assert "Sign in to decide" in get_text(person.get("/"))
    entered = person.sign_in(server.keys.reviewer)
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    line = entered.headers["set-cookie"]
    assert "; HttpOnly" in line
    assert "; SameSite=Strict" in line
    assert "; Path=/" in line
    assert "Secure" not in line
    page = person.get("/")
    assert page.status_code == 200
    assert "Nothing awaits a decision." in get_text(page)
    assert server.keys.reviewer not in page.text


def test_behind_https_the_cookie_is_secure_and_of_this_host_alone(start: Start) -> None:
    server = start(public_url="https://mail.example.com")
    headers = {"Host": "mail.example.com", "Origin": "https://mail.example.com"}
    with httpx.Client(base_url=server.url, headers=headers) as client:
        entered = client.post("/sign-in", data={"key": server.keys.reviewer, "wanted": "/"})
    assert entered.status_code == 303
    line = entered.headers["set-cookie"]
    assert line.startswith("__Host-multimail_session_")
    assert line.endswith("; Secure")


@pytest.mark.parametrize("role", ["agent", "admin"])
def test_a_key_that_may_not_decide_is_refused_with_a_sentence(
    server: ServerUnderTest, role: str
) -> None:
    person, key = Person(server), getattr(server.keys, role)
    refused = person.sign_in(key)
    assert refused.status_code == 403
    why = {"agent": "A key that can send", "admin": "has no oversight scope"}[role]
    assert why in get_text(refused)
    assert "Use the reviewer's key." in get_text(refused)
    assert key not in refused.text
    assert "set-cookie" not in refused.headers
    assert person.get("/audit").status_code == 401


@pytest.mark.parametrize("key", ["", "mm_test_wrong", "mm_test_é", "x" * 5000])
def test_an_unknown_key_is_refused_and_not_shown(server: ServerUnderTest, key: str) -> None:
    refused = Person(server).sign_in(key)
    assert refused.status_code == 401
    assert "is unknown or was revoked" in get_text(refused)
    assert not key or key not in refused.text


@pytest.mark.parametrize(
    "wanted", ["//evil.test", "https://evil.test/", "/\\evil.test", "/review/x/decide", "/\r\nX: y"]
)
def test_sign_in_leads_to_our_own_pages_only(server: ServerUnderTest, wanted: str) -> None:
    entered = Person(server).sign_in(server.keys.reviewer, wanted)
    assert (entered.status_code, entered.headers["location"]) == (303, "/")


def test_sign_in_leads_back_to_the_item(server: ServerUnderTest) -> None:
    person = Person(server)
    response = person.get("/review/msg_1")
    assert response.status_code == 401
    wanted = str(person.form("/review/msg_1", "/sign-in")["wanted"])
    assert person.sign_in(server.keys.reviewer, wanted).headers["location"] == "/review/msg_1"


def test_signing_out_ends_the_session_everywhere(server: ServerUnderTest) -> None:
    person = Person(server)
    person.sign_in(server.keys.reviewer)
    cookies = dict(person.client.cookies)
    left = person.post("/sign-out", {"csrf": person.csrf()})
    assert left.status_code == 303
    assert "Max-Age=0" in left.headers["set-cookie"]
    assert httpx.get(f"{server.url}/audit", cookies=cookies).status_code == 401


def test_a_session_ends_by_the_servers_clock(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    person = Person(server)
    person.sign_in(server.keys.reviewer)
    clock.advance(timedelta(hours=7, minutes=59))
    assert person.get("/audit").status_code == 200
    clock.advance(timedelta(minutes=1))
    assert person.get("/audit").status_code == 401


def test_a_key_that_is_revoked_or_may_send_ends_its_session(start: Start) -> None:
    server = start()
    with server.http("admin") as admin:
        for change, status in (({"scopes": ["read", "send"]}, 403), (None, 401)):
            body = {"name": "eve", "scopes": ["read", "oversight"]}
            key = admin.post("/v1/api-keys", json=body).json()
            person = Person(server)
            person.sign_in(key["key"])
            assert person.get("/").status_code == 200
            if change:
                admin.patch(f"/v1/api-keys/{key['id']}", json=change)
            else:
                admin.delete(f"/v1/api-keys/{key['id']}")
            assert person.get("/audit").status_code == status
            assert person.get("/audit").status_code == 401


def test_too_many_wrong_keys_are_made_to_wait(start: Start, clock: VirtualClock) -> None:
    server = start(clock=clock)
    person = Person(server)
    for _ in range(10):
        assert person.sign_in("mm_test_guess").status_code == 401
    refused = person.sign_in(server.keys.reviewer)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 301
    clock.advance(timedelta(minutes=5, seconds=1))
    assert person.sign_in(server.keys.reviewer).status_code == 303


def test_signing_in_and_out_is_in_the_audit_log(server: ServerUnderTest) -> None:
    person = Person(server)
    person.sign_in(server.keys.reviewer)
    person.post("/sign-out", {"csrf": person.csrf()})
    with server.http("admin") as admin:
        actions = [entry["action"] for entry in admin.get("/v1/audit-log").json()["entries"]]
    assert actions[:2] == ["session.end", "session.begin"]


def test_wrong_public_url_is_reported_at_startup(start: Start) -> None:
    with pytest.raises(Exception, match="public-url"):
        start(public_url="mail.example.com/x")
