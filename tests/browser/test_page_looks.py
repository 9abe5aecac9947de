"""The review page in a real Chromium: hostile mail, narrow screens, dark rooms, and axe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from multimail_server import ServerConfig
from multimail_server.testing.server import ServerUnderTest

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
expect = sync_api.expect

NewPage = Callable[..., Any]
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
LOOKS = pytest.mark.parametrize(
    "options",
    [{}, {"color_scheme": "dark"}, PHONE],
    ids=["desktop", "dark", "phone"],
)
HOSTILE = b"""From: Eve <eve@example.org>
To: agent@multimail.test
Subject: Look <script>document.title = "taken"</script>
Content-Type: text/html

<style>body { background: url(http://spy.test/style.gif) }</style>
<h1 onclick="parent.document.title = 'taken'">Hello</h1>
<script>top.document.title = "taken"</script>
<img src="http://spy.test/pixel.gif" onerror="top.document.title = 'taken'">
<div style="background: url(http://spy.test/inline.gif)">x</div>
<link rel="stylesheet" href="http://spy.test/sheet.css">
<link rel="dns-prefetch" href="http://spy.test/">
<meta http-equiv="refresh" content="0;url=http://spy.test/refresh">
<iframe src="http://spy.test/frame"></iframe>
<form action="http://spy.test/form"><input type="submit" id="go" value="Go"></form>
<svg><image href="http://spy.test/svg.gif"/></svg>
"""


WARNED = {
    "guard_action": "hold",
    "guard_codes": "payment_from_mail",
    "guard_reasons": "It names a bank account, card or wallet that somebody's mail named. Check by "
    "another way that it is right: DE89 3704 0044 0532 0130 00.",
}


@pytest.fixture
def server() -> Any:
    """A server whose inbound mail is held too."""
    config = ServerConfig(port=0, smtp_port=0, oversight_mode="gated_all")
    with ServerUnderTest(config) as running:
        yield running


@pytest.fixture
def items(server: ServerUnderTest, agent: httpx.Client) -> dict[str, str]:
    """Pages by name, with something of everything on them."""
    server.deliver(HOSTILE, sender="eve@example.org")
    inbound = server.wait_for_message(lambda mail: mail["direction"] == "inbound")
    body = {
        "to": [f"somebody.with.a.long.name.{number}@department.example.com" for number in range(5)],
        "bcc": ["boss@example.com"],
        "subject": "A subject that is longer than any telephone is wide, and \u200bhides something",
        "markdown": "# Title\n\nText with a [link](https://example.org/"
        + "long" * 40
        + ")\n\n```\n"
        + "code " * 60
        + "\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[x]: https://hidden.example",
        "metadata": {"guard_action": "hold", "guard_reasons": "one; two", "run": "r" * 200},
        "attachments": [{"name": "a" * 120 + ".txt", "content_base64": "eA=="}],
    }
    path = f"/v1/mailboxes/{server.mailbox.id}/send"
    sent = agent.post(path, json=body).json()["id"]
    done = agent.post(path, json={**body, "subject": "Rejected"}).json()["id"]
    with server.http("reviewer") as reviewer:
        decision = {"email_id": done, "action": "reject", "reason": "no"}
        reviewer.post("/v1/oversight/decide", json=decision)
    return {
        "queue": "/",
        "held send": f"/review/{sent}",
        "edit": f"/review/{sent}/edit",
        "held mail": f"/review/{inbound['id']}",
        "decided": f"/review/{done}",
        "inbox": "/inbox",
        "outbox": "/outbox",
        "audit": "/audit",
        "problem": "/review/nothing",
    }


def open_all(page: Any) -> None:
    for box in page.locator("details").all():
        box.evaluate("box => { box.open = true }")


@LOOKS
def test_axe_finds_nothing_serious(
    items: dict[str, str], new_page: NewPage, options: dict[str, Any]
) -> None:
    page = new_page(signed_in=False, **options)
    page.goto("/")
    violations = {"sign-in": _serious(page)}
    page = new_page(**options)
    for name, path in items.items():
        page.goto(path)
        open_all(page)
        violations[name] = _serious(page)
    assert not {name: problems for name, problems in violations.items() if problems}


def _serious(page: Any) -> list[str]:
    report = axe.Axe().run(page).response
    return [
        f"{violation['id']}: {violation['nodes'][0]['html'][:200]}"
        for violation in report["violations"]
        if violation["impact"] in ("serious", "critical")
    ]


@LOOKS
def test_nothing_is_wider_than_the_screen(
    items: dict[str, str], new_page: NewPage, options: dict[str, Any]
) -> None:
    page = new_page(**options)
    for name, path in items.items():
        page.goto(path)
        open_all(page)
        wide, screen = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= screen, name


def test_fingers_find_the_buttons(items: dict[str, str], new_page: NewPage) -> None:
    page = new_page(**PHONE)
    page.goto(items["held send"])
    for name in ("Approve and send", "Reject"):
        box = page.get_by_role("button", name=name).bounding_box()
        assert box["height"] >= 44
        assert box["width"] >= 140


@pytest.mark.parametrize("metadata", [{}, WARNED], ids=["routine", "warned"])
@pytest.mark.parametrize(
    "options", [{"viewport": {"width": 1280, "height": 800}}, PHONE], ids=["desktop", "phone"]
)
def test_the_first_screen_has_all_that_a_decision_needs(
    server: ServerUnderTest,
    agent: httpx.Client,
    new_page: NewPage,
    options: dict[str, Any],
    metadata: dict[str, str],
) -> None:
    server.deliver(
        "Where is my order?\n\n" + "It is late. " * 60,
        subject="Order 9 and the changed bank details",
    )
    question = server.wait_for_message("Order 9 and the changed bank details")
    with server.http("reviewer") as reviewer:
        reviewer.post(
            "/v1/oversight/decide", json={"email_id": question["id"], "action": "approve"}
        )
    path = f"/v1/mailboxes/{server.mailbox.id}/reply/{question['id']}"
    markdown = "It left on Monday. " + "Sorry. " * 80
    body = {"markdown": markdown, "cc": ["dispatch@example.com"], "metadata": metadata}
    reply = agent.post(path, json=body).json()
    page = new_page(**options)
    page.goto(f"/review/{reply['id']}")
    decision = page.locator("#decide").bounding_box()
    assert decision["y"] + decision["height"] <= page.viewport_size["height"]
    why = "Check by another way" if metadata else "has never written to"
    for words in (why, "dispatch@example.com", "Where is my order?", "It left on Monday."):
        box = page.get_by_text(words).first.bounding_box()
        assert 0 < box["y"] < decision["y"] - 80, f"{words}: less than three lines are in view"


def test_many_recipients_leave_room_for_the_text_of_an_edit(
    server: ServerUnderTest, agent: httpx.Client, new_page: NewPage
) -> None:
    others = [f"person{number}@example.com" for number in range(30)]
    body = {"to": ["ann@example.com"], "cc": others, "subject": "Long", "markdown": "Hello"}
    path = f"/v1/mailboxes/{server.mailbox.id}/send"
    page = new_page(viewport={"width": 1280, "height": 800})
    page.goto(f"/review/{agent.post(path, json=body).json()['id']}/edit")
    expect(page.locator("#markdown")).to_be_in_viewport()


def test_dark_is_dark(items: dict[str, str], new_page: NewPage) -> None:
    def ground(scheme: str) -> int:
        page = new_page(color_scheme=scheme)
        page.goto(items["held send"])
        color = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in color.strip("rgb()").split(","))

    assert ground("dark") < 150 < 600 < ground("light")


def test_hostile_mail_neither_runs_nor_fetches_nor_moves(
    items: dict[str, str], new_page: NewPage, server: ServerUnderTest
) -> None:
    page = new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(items["held mail"])
    title = page.title()
    open_all(page)
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Hello")).to_be_visible()
    frame.get_by_role("heading", name="Hello").click()
    expect(frame.locator("form, script, link, meta[http-equiv]")).to_have_count(0)
    assert page.title() == title
    assert title.startswith("Look <script>")
    assert [url for url in requests if not url.startswith(server.url)] == []


def test_no_page_asks_the_browser_for_anything_that_its_policy_forbids(
    items: dict[str, str], new_page: NewPage
) -> None:
    page = new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    for path in items.values():
        page.goto(path)
    expected = "the server responded with a status of 404"
    assert [line for line in messages if expected not in line] == []
