"""Fixtures of the races: each test runs once for each order in which two writes can come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tests.proofs.interleaving import ORDERS, InterleavingServer, Order, Race
from tests.support.server import ServerFixture

from multimail_server import ServerConfig
from multimail_server.testing import VirtualClock


@pytest.fixture(params=ORDERS)
def order(request: pytest.FixtureRequest) -> Order:
    order: Order = request.param
    return order


@pytest.fixture
def mode() -> str:
    return "gated_send"


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str | None:
    """Where the server keeps its data: None for a file."""
    url: str | None = None
    if request.param == "postgres":
        url = request.getfixturevalue("database_url")
    return url


@pytest.fixture
def race(order: Order, mode: str, database: str | None) -> Iterator[Race]:
    clock = VirtualClock()
    config = ServerConfig(port=0, smtp_port=0, clock=clock, oversight_mode=mode, database=database)
    with InterleavingServer(config) as server:
        race = Race(server, clock, order)
        yield race
        race.close()


@pytest.fixture
def start_on(database_url: str) -> Iterator[Callable[..., ServerFixture]]:
    """Start servers in this process on one PostgreSQL database."""
    with ExitStack() as stack:

        def start_server(**settings: Any) -> ServerFixture:
            config = ServerConfig(port=0, smtp_port=0, database=database_url, **settings)
            return stack.enter_context(ServerFixture(config))

        yield start_server
