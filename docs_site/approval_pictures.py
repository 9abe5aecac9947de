"""Pictures of the review page: a real server, the demo's mail, and a virtual clock."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from multimail.tools import Toolkit
from multimail_cli.demo.mail import DOMAIN, MAILBOX, build_scenario
from multimail_server import ServerConfig
from multimail_server.testing import VirtualClock
from multimail_server.testing.server import ServerUnderTest

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
DESKTOP: ViewportSize = {"width": 1000, "height": 720}
PHONE: ViewportSize = {"width": 390, "height": 780}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_REPLY = """Hello Maria,

I am sorry that three torque wrenches were missing. They go to your workshop in Chur,
Bahnhofstrasse 12, today, and will be there before your course.

Kind regards\\
Harbor Tools
"""


def draw(directory: Path) -> None:
    """Write queue.png, item.png, and both as on a phone.

    Raises:
        FileNotFoundError: No browser is installed.
    """
    with sync_playwright() as playwright:
        # Chromium's sandbox needs rights that root in a container does not have.
        browser = playwright.chromium.launch(executable_path=_find_browser(), args=["--no-sandbox"])
        take_pictures(browser, directory)
        browser.close()


def take_pictures(browser: Browser, directory: Path) -> None:
    """Write the same pictures with a running browser."""
    with _start_server() as server:
        for size, end in ((DESKTOP, ""), (PHONE, "-phone")):
            page = _sign_in(browser, server, size)
            page.screenshot(path=directory / f"queue{end}.png")
            page.get_by_role("link", name="three torque wrenches missing").click()
            page.get_by_role("button", name="Approve and send").wait_for()
            page.screenshot(path=directory / f"item{end}.png")
            page.close()


def _find_browser() -> str:
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        raise FileNotFoundError("No browser is on PATH: apt install chromium fonts-dejavu-core")
    return path


@contextmanager
def _start_server() -> Iterator[ServerUnderTest]:
    """Run a server on which an agent has replied to mail and waits for approval."""
    with tempfile.TemporaryDirectory() as directory:
        messages, zone = build_scenario(Path(directory), NOW)
        config = ServerConfig(
            port=0,
            smtp_port=0,
            dns_zone=zone,
            domain=DOMAIN,
            mailbox_address=MAILBOX,
            clock=VirtualClock(NOW),
            seed=7,
        )
        with ServerUnderTest(config) as server:
            for message in messages:
                server.deliver(message.raw, sender=message.mail_from)
            _run_agent(server)
            yield server


def _run_agent(server: ServerUnderTest) -> None:
    question = server.wait_for_message(sender="maria.keller@alpenbike.example")
    toolkit = Toolkit(server.keys.agent, base_url=server.url)
    offer = {"to": ["orders@wrenchworks.example"], "subject": "Torque wrenches TW-50"}
    toolkit.call("send_email", {**offer, "body": "Please send us three TW-50 this week."})
    server.advance(25 * 60)
    toolkit.call("read_email", {"email_id": question["id"]}, session_id="order")
    answer = {"email_id": question["id"], "body": _REPLY, "cc": ["warehouse@harbor-tools.example"]}
    toolkit.call("reply_email", answer, session_id="order")
    server.advance(12 * 60)
    plan = {"to": ["jonas.frei@alpenbike.example"], "subject": "Your course on 14 November"}
    toolkit.call("send_email", {**plan, "body": "Shall we lend you three wrenches meanwhile?"})
    server.advance(3 * 60)
    toolkit.close()


def _sign_in(browser: Browser, server: ServerUnderTest, size: ViewportSize) -> Page:
    page = browser.new_page(base_url=server.url, viewport=size, color_scheme="light")
    page.goto("/")
    page.get_by_label("Reviewer's key").fill(server.keys.reviewer)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Waiting for you").wait_for()
    return page
