"""Errors are HTML pages for a browser and JSON for a program."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.server.pages import Person, get_text
from tests.support.server import BrokenClock

from multimail_server import Ids, SystemClock
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]


def is_page(reply: httpx.Response) -> bool:
    kind, policy = reply.headers["content-type"], reply.headers.get("content-security-policy", "")
    return kind.startswith("text/html") and "default-src 'none'" in policy


def test_an_unexpected_error_is_a_page_that_names_the_request(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    clock = BrokenClock()
    server = start(clock=clock, ids=Ids(SystemClock()))
    person = Person(server)
    person.sign_in(server.keys.reviewer)
    clock.broken = True
    page = person.get("/")
    posted = person.post("/sign-out", {"csrf": "x"})
    told = person.client.get("/", headers={"Accept": "application/json"})
    api = person.client.get("/v1/account", headers={"X-API-Key": server.keys.agent})
    clock.broken = False
    assert page.status_code == posted.status_code == told.status_code == 500
    assert is_page(page)
    assert is_page(posted)
    said = get_text(page)
    assert "Something went wrong" in said
    assert page.headers["x-request-id"] in said
    assert page.headers["x-request-id"] in caplog.text
    assert "clock" not in said
    assert told.json()["code"] == api.json()["code"] == "internal_error"


def test_an_unknown_page_is_a_page(server: ServerUnderTest) -> None:
    person = Person(server)
    missing = person.get("/nowhere/<script>")
    assert missing.status_code == 404
    assert is_page(missing)
    assert "Not found" in get_text(missing)
    assert "<script>" not in missing.text.replace('<script src="', "")
    other = person.get("/sign-in")
    assert (other.status_code, other.headers["allow"], is_page(other)) == (405, "POST", True)
    for reply in (person.get("/v1/nowhere"), httpx.get(f"{server.url}/nowhere")):
        assert (reply.status_code, reply.json()["code"]) == (404, "unknown_path")


def test_a_form_that_is_too_large_is_a_page(server: ServerUnderTest) -> None:
    person = Person(server)
    person.sign_in(server.keys.reviewer)
    page = person.post("/review/msg_1/decide", {"reason": "x" * 300_000})
    assert page.status_code == 413
    assert is_page(page)
    assert "larger than" in get_text(page)


def test_a_link_s_page_says_that_the_database_is_away(start: Start, tmp_path: Path) -> None:
    server = start(data=tmp_path / "mail.db")
    body = {"to": "ann@example.com", "subject": "S", "body": "B"}
    with server.http("agent") as agent, server.http("reviewer") as reviewer:
        email = agent.post("/send_email", json=body).json()["id"]
        url = reviewer.post(f"/v1/oversight/{email}/approval-link", json={}).json()["url"]
    lock = sqlite3.connect(tmp_path / "mail.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    page = httpx.get(url, headers={"Accept": "text/html"}, timeout=30)
    lock.execute("ROLLBACK")
    lock.close()
    assert (page.status_code, page.headers["retry-after"]) == (503, "2")
    assert is_page(page)
    assert "Nothing was changed" in get_text(page)
