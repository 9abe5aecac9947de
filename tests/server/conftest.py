"""Fixtures of the server's tests: a real server on a socket, clients, a relay, a receiver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from tests.support.server import ServerFixture
from tests.support.smtp_sink import SmtpSink
from tests.support.webhook_receiver import WebhookReceiver

from multimail_server import ServerConfig
from multimail_server.testing import VirtualClock


@pytest.fixture
def start() -> Iterator[Callable[..., ServerFixture]]:
    """Start servers with settings of the test's own; all are stopped at its end."""
    with ExitStack() as stack:

        def start_server(**settings: Any) -> ServerFixture:
            config = ServerConfig(**{"port": 0, "smtp_port": 0, "undo_seconds": 0, **settings})
            return stack.enter_context(ServerFixture(config))

        yield start_server


@pytest.fixture(scope="module")
def server() -> Iterator[ServerFixture]:
    """One server for a whole file, whose tests do not depend on each other's mail."""
    with ServerFixture(ServerConfig(port=0, smtp_port=0, undo_seconds=0)) as running:
        yield running


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that the test moves."""
    return VirtualClock()


@pytest.fixture
def relay() -> Iterator[SmtpSink]:
    """A relay that accepts everything unless a test configures it otherwise."""
    with SmtpSink() as sink:
        yield sink


@pytest.fixture
def endpoint() -> Iterator[WebhookReceiver]:
    """A webhook endpoint that answers 200 unless a test configures it otherwise."""
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def agent(server: ServerFixture) -> httpx.Client:
    """A client with the agent's key."""
    return server.agent


@pytest.fixture(scope="module")
def reviewer(server: ServerFixture) -> httpx.Client:
    """A client with the reviewer's key."""
    return server.reviewer


@pytest.fixture(scope="module")
def admin(server: ServerFixture) -> httpx.Client:
    """A client with the admin's key."""
    return server.admin
