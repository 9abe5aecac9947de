"""The review page: what it must withstand, whatever is asked of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from tests.server.pages import Person, get_text

from multimail_server.api.routing import Route
from multimail_server.pages.lists import PAGE_ROUTES
from multimail_server.pages.untrusted_html import sanitize_for_iframe
from multimail_server.testing.server import ServerUnderTest

CLOSED = [spec for spec in PAGE_ROUTES if spec.path not in ("/", "/sign-in", "/static/{name}")]
HELD = "pending_send_approval"


@pytest.fixture
def person(server: ServerUnderTest) -> Person:
    """Somebody who is signed in."""
    browser = Person(server)
    assert browser.sign_in(server.keys.reviewer).status_code == 303
    return browser


@pytest.fixture
def held(server: ServerUnderTest, agent: httpx.Client) -> str:
    """The id of a send that awaits a decision."""
    body = {"to": ["ann@example.com"], "subject": "Offer", "markdown": "Hello"}
    return str(agent.post(f"/v1/mailboxes/{server.mailbox.id}/send", json=body).json()["id"])


@pytest.fixture
def status(server: ServerUnderTest, held: str, agent: httpx.Client) -> Iterator[object]:
    """Ask for the state of the held send; at the test's end it is held still."""

    def ask() -> str:
        reply = agent.get(f"/v1/mailboxes/{server.mailbox.id}/emails/{held}")
        return str(reply.json()["status"])

    yield ask
    assert ask() == HELD


def build_path(spec: Route, email: str) -> str:
    path = spec.path.replace("{email}", email).replace("{name}", "page.css")
    return re.sub(r"\{[^}]+\}", "nothing", path)


def get_route_name(spec: Route) -> str:
    return f"{spec.method} {spec.path}"


@pytest.mark.parametrize("spec", CLOSED, ids=get_route_name)
def test_nothing_is_shown_or_done_without_a_session(
    server: ServerUnderTest, held: str, status: object, spec: Route
) -> None:
    for headers in ({}, {"Authorization": f"Bearer {server.keys.reviewer}"}):
        reply = httpx.request(
            spec.method,
            f"{server.url}{build_path(spec, held)}",
            headers={"Origin": server.url, **headers},
            data={"action": "approve"} if spec.method == "POST" else None,
        )
        assert reply.status_code == 401
        assert "Offer" not in reply.text


@pytest.mark.parametrize("spec", [s for s in PAGE_ROUTES if s.method == "GET"], ids=get_route_name)
def test_looking_changes_nothing_and_is_well_protected(
    person: Person, held: str, status: object, spec: Route
) -> None:
    for _ in range(2):
        page = person.get(build_path(spec, held))
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'unsafe" not in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        if not spec.path.startswith("/static"):
            assert page.headers["x-frame-options"] in ("DENY", "SAMEORIGIN")
            assert page.headers["referrer-policy"] in ("same-origin", "no-referrer")
            assert page.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]*\ssrc=)", page.text)
        assert not re.search(r"\son[a-z]+=", page.text)


def test_a_get_of_a_decision_is_no_decision(person: Person, held: str, status: object) -> None:
    for query in ("", "?action=approve", f"?action=approve&csrf={person.csrf()}"):
        assert person.get(f"/review/{held}/decide{query}").status_code == 405


@pytest.mark.parametrize(
    "origin",
    [None, "null", "https://evil.test", "http://127.0.0.1", "http://127.0.0.1.evil.test:80"],
)
@pytest.mark.parametrize("what", ["decide", "edit"])
def test_a_form_from_elsewhere_does_nothing(
    person: Person, held: str, status: object, what: str, origin: str | None
) -> None:
    page = f"/review/{held}" + ("/edit" if what == "edit" else "")
    fields = person.form(page, f"/review/{held}/{what}")
    refused = person.post(
        f"/review/{held}/{what}", {**fields, "action": "approve", "subject": "x"}, origin
    )
    assert refused.status_code == 403
    assert "nothing was done" in get_text(refused)


def test_a_form_needs_the_token_of_its_own_session(
    server: ServerUnderTest, person: Person, held: str, status: object
) -> None:
    other = Person(server)
    other.sign_in(server.keys.reviewer)
    fields = person.form(f"/review/{held}", f"/review/{held}/decide")
    for token in ("", "x", other.csrf()):
        body = {**fields, "action": "approve", "csrf": token}
        refused = person.post(f"/review/{held}/decide", body)
        assert refused.status_code == 403
        assert "out of date" in get_text(refused)


def test_a_decision_is_a_form_and_nothing_else(person: Person, held: str, status: object) -> None:
    fields = {**person.form(f"/review/{held}", f"/review/{held}/decide"), "action": "approve"}
    refused = person.client.post(
        f"/review/{held}/decide", json=fields, headers={"Origin": person.server.url}
    )
    assert refused.status_code == 400
    many = {f"f{number}": "x" for number in range(1000)}
    assert person.post(f"/review/{held}/decide", {**fields, **many}).status_code == 400
    wrong = {**fields, "action": "approved"}
    assert person.post(f"/review/{held}/decide", wrong).status_code == 400


@pytest.mark.parametrize("host", ["evil.test", "evil.test:80", "127.0.0.1.evil.test"])
def test_a_name_that_is_not_ours_gets_no_page(
    person: Person, held: str, status: object, host: str
) -> None:
    for path in ("/", f"/review/{held}"):
        refused = person.client.get(path, headers={"Host": host})
        assert refused.status_code == 421
        assert "--public-url" in get_text(refused)
    sent = person.client.post(
        f"/review/{held}/decide", headers={"Host": host, "Origin": f"http://{host}"}
    )
    assert sent.status_code == 421


@pytest.mark.parametrize("name", ["..%2fpage.py", "page.py", "__init__.py", "nothing"])
def test_only_the_named_files_are_served(server: ServerUnderTest, name: str) -> None:
    assert httpx.get(f"{server.url}/static/{name}").status_code == 404


def test_static_files_may_be_kept_as_long_as_their_address_lives(server: ServerUnderTest) -> None:
    page = httpx.get(f"{server.url}/").text
    for address in re.findall(r"/static/[a-z]+\.(?:css|js|svg)\?v=[0-9a-f]{16}", page):
        reply = httpx.get(server.url + address)
        assert reply.status_code == 200
        assert "immutable" in reply.headers["cache-control"]


def test_a_reviewer_of_one_mailbox_sees_no_other(
    server: ServerUnderTest, admin: httpx.Client, held: str, status: object
) -> None:
    other = admin.post("/v1/mailboxes", json={"address": "elsewhere"}).json()["id"]
    body = {"name": "bound", "scopes": ["read", "oversight"], "mailbox_id": other}
    person = Person(server)
    person.sign_in(admin.post("/v1/api-keys", json=body).json()["key"])
    assert "Nothing awaits a decision." in get_text(person.get("/"))
    for path in ("", "/state", "/edit", "/html", "/raw", "/attachments/x"):
        assert person.get(f"/review/{held}{path}").status_code == 404
    fields = {"csrf": person.csrf(), "action": "approve", "mark": "x"}
    assert person.post(f"/review/{held}/decide", fields).status_code == 404
    assert person.get(f"/outbox?mailbox={server.mailbox.id}").status_code == 404


def test_a_key_that_only_decides_reads_no_other_mail(
    server: ServerUnderTest, admin: httpx.Client, held: str, status: object
) -> None:
    server.deliver("Secret plan", subject="Plan")
    plan = server.wait_for_message("Plan")["id"]
    body = {"name": "judge", "scopes": ["oversight"]}
    person = Person(server)
    person.sign_in(admin.post("/v1/api-keys", json=body).json()["key"])
    assert person.get(f"/review/{held}").status_code == 200
    for path in ("/inbox", "/outbox", "/audit", f"/review/{plan}", f"/review/{plan}/raw"):
        refused = person.get(path)
        assert refused.status_code == 403
        assert "read scope" in get_text(refused)
        assert "Secret" not in refused.text


def test_the_frame_of_a_mail_holds_no_event_handlers() -> None:
    html = '<p onclick="a()" class="b">text</p><img src="data:image/png;base64,AA" ONERROR="c()">'
    frame = sanitize_for_iframe(html)
    assert b'<p class="b">text</p>' in frame
    assert b"a()" not in frame
    assert b"c()" not in frame
