"""Fixtures of the server's tests: a real server on a socket, and a client per role."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from multimail_server import ServerConfig, VirtualClock
from multimail_server.testing.server import ServerUnderTest


@pytest.fixture
def start() -> Iterator[Callable[..., ServerUnderTest]]:
    """Start servers with settings of the test's own; all are stopped at its end."""
    with ExitStack() as stack:

        def start_one(**settings: Any) -> ServerUnderTest:
            config = ServerConfig(**{"port": 0, "smtp_port": 0, **settings})
            return stack.enter_context(ServerUnderTest(config))

        yield start_one


@pytest.fixture(scope="module")
def server() -> Iterator[ServerUnderTest]:
    """One server for a whole file, whose tests do not mind each other's mail."""
    with ServerUnderTest(ServerConfig(port=0, smtp_port=0)) as running:
        yield running


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that the test moves."""
    return VirtualClock()


@pytest.fixture(scope="module")
def agent(server: ServerUnderTest) -> Iterator[httpx.Client]:
    """A client with the agent's key."""
    with server.http("agent") as client:
        yield client


@pytest.fixture(scope="module")
def reviewer(server: ServerUnderTest) -> Iterator[httpx.Client]:
    """A client with the reviewer's key."""
    with server.http("reviewer") as client:
        yield client


@pytest.fixture(scope="module")
def admin(server: ServerUnderTest) -> Iterator[httpx.Client]:
    """A client with the admin's key."""
    with server.http("admin") as client:
        yield client
