"""Fixtures of the browser's tests: the human's page in a real Chromium, on a real server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from multimail_server import ServerConfig
from multimail_server.testing.server import ServerUnderTest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A running Chromium: the one on PATH, not one that Playwright downloads."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip(f"No browser on PATH ({', '.join(_NAMES)}): apt install chromium")
    with sync_api.sync_playwright() as playwright:
        # Chromium's own sandbox wants rights that root in a container does not have.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def server() -> Iterator[ServerUnderTest]:
    """A server of the test's own."""
    with ServerUnderTest(ServerConfig(port=0, smtp_port=0, undo_seconds=0)) as running:
        yield running


@pytest.fixture
def agent(server: ServerUnderTest) -> Iterator[httpx.Client]:
    """A client with the agent's key."""
    with server.http("agent") as client:
        yield client


@pytest.fixture
def new_page(chromium: Any, server: ServerUnderTest) -> Iterator[Callable[..., Any]]:
    """Open a page in a browser context of its own; it is signed in unless the test says no."""
    with ExitStack() as stack:

        def open_one(*, signed_in: bool = True, **options: Any) -> Any:
            context = chromium.new_context(base_url=server.url, **options)
            stack.callback(context.close)
            page = context.new_page()
            if signed_in:
                page.goto("/")
                page.get_by_label("Reviewer's key").fill(server.keys.reviewer)
                page.get_by_role("button", name="Sign in").click()
                page.get_by_role("heading", name="Waiting for you").wait_for()
            return page

        yield open_one
