"""The review page in a real Chromium: a person signs in, looks, and decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from multimail_server import ServerConfig
from multimail_server.testing.server import ServerUnderTest

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = sync_api.expect

NewPage = Callable[..., Any]
WITH_AND_WITHOUT = pytest.mark.parametrize(
    "options", [{}, {"java_script_enabled": False}], ids=["js", "no-js"]
)


def send(agent: httpx.Client, server: ServerUnderTest, **more: Any) -> str:
    body = {"to": ["ann@example.com"], "subject": "Offer", "markdown": "Hello *Ann*", **more}
    reply = agent.post(f"/v1/mailboxes/{server.mailbox.id}/send", json=body)
    return str(reply.json()["id"])


def approve(server: ServerUnderTest, email: str) -> None:
    with server.http("reviewer") as reviewer:
        reviewer.post("/v1/oversight/decide", json={"email_id": email, "action": "approve"})


def mail(agent: httpx.Client, server: ServerUnderTest, email: str) -> dict[str, Any]:
    return dict(agent.get(f"/v1/mailboxes/{server.mailbox.id}/emails/{email}").json())


@WITH_AND_WITHOUT
def test_a_person_approves(
    server: ServerUnderTest, agent: httpx.Client, new_page: NewPage, options: dict[str, Any]
) -> None:
    email = send(agent, server)
    page = new_page(**options)
    page.get_by_role("link", name="Offer").click()
    expect(page.get_by_role("heading", name="Offer")).to_be_visible()
    expect(page.get_by_text("has never written to ann@example.com")).to_be_visible()
    page.get_by_role("button", name="Approve and send").click()
    expect(page.get_by_text("Approved: “Offer” was sent.")).to_be_visible()
    expect(page.get_by_text("Nothing awaits a decision.")).to_be_visible()
    assert [mail["id"] for mail in server.outbox()] == [email]


@WITH_AND_WITHOUT
def test_a_person_rejects_with_a_reason(
    server: ServerUnderTest, agent: httpx.Client, new_page: NewPage, options: dict[str, Any]
) -> None:
    email = send(agent, server)
    page = new_page(**options)
    page.goto(f"/review/{email}")
    page.get_by_text("Add a reason").click()
    page.get_by_label("Reason").fill("The price is wrong.")
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_text("Rejected: “Offer” goes no further.")).to_be_visible()
    seen = mail(agent, server, email)
    assert (seen["status"], seen["decision_reason"]) == ("rejected", "The price is wrong.")
    assert server.outbox() == []


@WITH_AND_WITHOUT
def test_a_person_edits_and_then_approves(
    server: ServerUnderTest, agent: httpx.Client, new_page: NewPage, options: dict[str, Any]
) -> None:
    email = send(agent, server, cc=["cleo@example.com"], markdown="One\n\nTwo  \nThree")
    before = mail(agent, server, email)
    page = new_page(**options)
    page.goto(f"/review/{email}")
    page.get_by_role("link", name="Edit", exact=True).click()
    expect(page.get_by_label("Text", exact=False).last).to_have_value("One\n\nTwo  \nThree")
    page.get_by_label("cleo@example.com").uncheck()
    page.get_by_label("Subject").fill("A better offer")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. It still needs a decision.")).to_be_visible()
    after = mail(agent, server, email)
    assert after["markdown"] == before["markdown"], "the browser's line ends change nothing"
    assert after["content_hash"] != before["content_hash"]
    assert after["status"] == "pending_send_approval"
    page.get_by_role("button", name="Approve and send").click()
    expect(page.get_by_text("was sent.")).to_be_visible()
    (left,) = server.outbox()
    assert (left["subject"], left["recipients"]) == ("A better offer", ["ann@example.com"])


def test_the_approval_url_leads_through_the_sign_in_to_the_item(
    server: ServerUnderTest, agent: httpx.Client, new_page: NewPage
) -> None:
    body = {"to": ["ann@example.com"], "subject": "Offer", "markdown": "Hello"}
    sent = agent.post(f"/v1/mailboxes/{server.mailbox.id}/send", json=body).json()
    page = new_page(signed_in=False)
    page.goto(sent["approval_url"])
    page.get_by_label("Reviewer's key").fill(server.keys.agent)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("A key that can send")
    page.get_by_label("Reviewer's key").fill(server.keys.reviewer)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Offer")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.goto(sent["approval_url"])
    expect(page.get_by_label("Reviewer's key")).to_be_visible()


def test_the_keyboard_alone_is_enough(
    server: ServerUnderTest, agent: httpx.Client, new_page: NewPage
) -> None:
    first, second = (send(agent, server, subject=subject) for subject in ("First", "Second"))
    page = new_page()
    expect(page.get_by_text("Keyboard")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(f"#row-{second}")).to_be_focused()
    page.keyboard.press("k")
    expect(page.locator(f"#row-{first}")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="First")).to_be_visible()
    expect(page.get_by_text("Keyboard")).to_be_visible()
    page.keyboard.press("a")
    expect(page.get_by_role("button", name="Approve and send")).to_be_focused()
    assert mail(agent, server, first)["status"] == "pending_send_approval"
    page.keyboard.press("r")
    page.keyboard.type("a e u are letters here")
    expect(page.get_by_label("Reason")).to_have_value("a e u are letters here")
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Approved: “First” was sent.")).to_be_visible()
    expect(page.get_by_role("heading", name="Second")).to_be_visible()
    expect(page.get_by_text("Keyboard")).to_be_visible()
    page.keyboard.press("e")
    expect(page.get_by_role("heading", name="Edit a held message")).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("heading", name="Second")).to_be_visible()
    expect(page.get_by_text("Keyboard")).to_be_visible()
    page.keyboard.press("?")
    page.get_by_label("Shortcuts enabled").uncheck()
    page.keyboard.press("u")
    page.get_by_role("link", name="Back to the queue").focus()
    page.keyboard.press("e")
    expect(page.get_by_role("heading", name="Second")).to_be_visible()
    assert mail(agent, server, second)["status"] == "pending_send_approval"


@WITH_AND_WITHOUT
def test_enter_on_a_box_approves_nothing(
    server: ServerUnderTest, agent: httpx.Client, new_page: NewPage, options: dict[str, Any]
) -> None:
    approve(server, send(agent, server, subject="Before"))
    first, second = (send(agent, server, subject=subject) for subject in ("First", "Second"))
    page = new_page(**options)
    box = page.get_by_label("Select “First”")
    box.check()
    box.press("Enter")
    if not options:
        page.keyboard.press("j")
        expect(page.locator(f"#row-{second}")).to_be_focused()
    page.get_by_role("link", name="Second").click()
    expect(page.get_by_role("heading", name="Second")).to_be_visible()
    assert mail(agent, server, first)["status"] == "pending_send_approval"


@pytest.fixture
def patient(chromium: Any) -> Iterator[tuple[ServerUnderTest, NewPage]]:
    """A server that waits 300 s before approved mail leaves, and how to open its pages."""
    with ExitStack() as stack:
        config = ServerConfig(port=0, smtp_port=0, undo_seconds=300)
        server = stack.enter_context(ServerUnderTest(config))

        def approve_one(email: str, **options: Any) -> Any:
            context = chromium.new_context(base_url=server.url, **options)
            stack.callback(context.close)
            page = context.new_page()
            page.clock.install()
            page.goto(f"/review/{email}")
            page.get_by_label("Reviewer's key").fill(server.keys.reviewer)
            page.get_by_role("button", name="Sign in").click()
            page.get_by_role("button", name="Approve and send").click()
            expect(page.get_by_role("button", name="Undo")).to_be_visible()
            return page

        yield server, approve_one


@WITH_AND_WITHOUT
def test_a_person_takes_an_approval_back(
    patient: tuple[ServerUnderTest, NewPage], options: dict[str, Any]
) -> None:
    server, approve_one = patient
    with server.http("agent") as agent:
        email = send(agent, server)
        page = approve_one(email, **options)
        assert mail(agent, server, email)["status"] == "scheduled"
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_role("button", name="Approve and send")).to_be_visible()
        assert mail(agent, server, email)["status"] == "pending_send_approval"


def test_the_button_to_undo_leaves_with_the_message(
    patient: tuple[ServerUnderTest, NewPage],
) -> None:
    server, approve_one = patient
    with server.http("agent") as agent:
        page = approve_one(send(agent, server))
    page.clock.fast_forward(300_000)
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)


def test_a_refresh_keeps_what_is_filled_in_and_local_times_have_a_zone(
    server: ServerUnderTest, agent: httpx.Client, new_page: NewPage
) -> None:
    send(agent, server, subject="First")
    later = send(
        agent, server, subject="Later", send_at="2027-01-03T00:00:00Z", gate_timing="gate_first"
    )
    page = new_page(timezone_id="Asia/Tokyo", locale="en-GB")
    page.get_by_label("Risk").select_option("routine")
    page.get_by_label("Search").fill("typed")
    send(agent, server, subject="Third")
    expect(page.get_by_role("link", name="Third")).to_be_visible(timeout=15_000)
    assert page.get_by_label("Risk").input_value() == "routine"
    assert page.get_by_label("Search").input_value() == "typed"
    expect(page.locator(f"#row-{later}")).to_contain_text("to be sent 3 Jan 2027, 09:00 GMT+9")


def test_text_from_right_to_left_moves_nothing_around_it(
    server: ServerUnderTest, agent: httpx.Client, new_page: NewPage
) -> None:
    email = send(agent, server, subject="שלום 1", markdown="שלום, ann")
    page = new_page()
    age, subject = (page.locator(f"#row-{email} {part}") for part in (".age", ".subject"))
    assert subject.bounding_box()["x"] < age.bounding_box()["x"]
    assert subject.evaluate("(element) => element.tagName") == "BDI"
    page.goto(f"/review/{email}")
    direction = "(element) => getComputedStyle(element).direction"
    assert page.get_by_label("The text as it reads").evaluate(direction) == "rtl"
    assert page.locator(".recipients").first.evaluate(direction) == "ltr"


def test_the_queue_refreshes_itself_and_keeps_the_focus(
    server: ServerUnderTest, agent: httpx.Client, new_page: NewPage
) -> None:
    first = send(agent, server, subject="First")
    page = new_page()
    expect(page.get_by_text("Keyboard")).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator(f"#row-{first}")).to_be_focused()
    send(agent, server, subject="Second")
    expect(page.get_by_role("link", name="Second")).to_be_visible(timeout=15_000)
    expect(page).to_have_title("2 waiting · MultiMail")
    expect(page.locator(f"#row-{first}")).to_be_focused()


def test_an_open_item_says_that_it_was_decided_elsewhere(
    server: ServerUnderTest, agent: httpx.Client, new_page: NewPage
) -> None:
    email = send(agent, server)
    page = new_page()
    page.goto(f"/review/{email}")
    changed = page.get_by_text("This message has changed.")
    expect(changed).to_be_hidden()
    with server.http("reviewer") as reviewer:
        reviewer.post("/v1/oversight/decide", json={"email_id": email, "action": "reject"})
    expect(changed).to_be_visible(timeout=15_000)
    page.get_by_role("link", name="Show the current version").click()
    expect(page.get_by_text("rejected by “reviewer”")).to_be_visible()


def test_an_approval_link_works_in_a_browser_that_is_not_signed_in(
    server: ServerUnderTest, agent: httpx.Client, new_page: NewPage
) -> None:
    email = send(agent, server)
    with server.http("reviewer") as reviewer:
        link = reviewer.post(f"/v1/oversight/{email}/approval-link", json={}).json()
    page = new_page(signed_in=False)
    page.goto(link["url"])
    expect(page.get_by_role("link", name="Queue")).to_have_count(0)
    page.get_by_role("button", name="Approve and send").click()
    expect(page.get_by_role("status")).to_have_text("Approved: “Offer” was sent.")
    page.goto(link["url"])
    expect(page.get_by_role("alert")).to_contain_text("was used")


def test_foreign_site_cannot_decide(
    server: ServerUnderTest, agent: httpx.Client, new_page: NewPage
) -> None:
    """The cookie is SameSite=Strict, the origin is checked, and the page is in no frame."""
    email = send(agent, server)
    page = new_page()
    target = f"{server.url}/review/{email}"
    elsewhere = f"""
        <iframe src="{target}" name="in"></iframe>
        <form id="f" method="post" action="{target}/decide">
          <input name="action" value="approve"><button>Win</button></form>"""
    page.route("http://evil.test/", lambda route: route.fulfill(
        body=elsewhere, content_type="text/html"))  # fmt: skip
    page.goto("http://evil.test/")
    inside = page.frame(name="in")
    assert inside is not None
    assert "Offer" not in inside.content()
    page.get_by_role("button", name="Win").click()
    expect(page.get_by_label("Reviewer's key")).to_be_visible()
    expect(page.get_by_text("You came from another site.")).to_be_visible()
    assert mail(agent, server, email)["status"] == "pending_send_approval"
    page.goto(target)
    expect(page.get_by_role("heading", name="Offer")).to_be_visible()
