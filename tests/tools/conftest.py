"""Fixtures of the tools' tests: one server with a zone of its own, a mailbox for each test."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from tests.tools.support import Connect, Inbox, Signer

from multimail_server import ServerConfig
from multimail_server.mail.signing import generate_key, zone_lines
from multimail_server.testing.server import ServerUnderTest


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own settings must not reach the tests."""
    for name in ("API_KEY", "API_URL", "MAILBOX", "MAILBOX_ID", "ALLOW_HTTP"):
        monkeypatch.delenv(f"MULTIMAIL_{name}", raising=False)


@pytest.fixture(scope="session")
def key_pair() -> tuple[bytes, str]:
    """The key of example.com, and its record."""
    return generate_key()


@pytest.fixture(scope="session")
def signed(key_pair: tuple[bytes, str]) -> Signer:
    """Sign a message as example.com."""
    return Signer(key_pair[0])


@pytest.fixture(scope="session")
def server_fixture(
    key_pair: tuple[bytes, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerUnderTest]:
    """One server for all; bank.com disowns forgeries, and path.example sends from here."""
    zone = tmp_path_factory.mktemp("dns") / "zone"
    records = [
        ("s1._domainkey.example.com", key_pair[1]),
        ("_dmarc.bank.com", "v=DMARC1; p=reject"),
        ("path.example", "v=spf1 ip4:127.0.0.1 -all"),
    ]
    zone.write_text(zone_lines(records), "utf-8")
    with ServerUnderTest(ServerConfig(port=0, smtp_port=0, dns_zone=zone)) as server:
        yield server


@pytest.fixture(scope="session")
def create_mailbox(
    server_fixture: ServerUnderTest, signed: Signer
) -> Iterator[Callable[..., Inbox]]:
    """Make mailboxes, each with keys that are bound to it."""
    numbers = itertools.count(1)
    with server_fixture.http("admin") as admin, server_fixture.http("reviewer") as reviewer:

        def key(name: str, scopes: list[str], mailbox: str) -> str:
            body = {"name": name, "scopes": scopes, "mailbox_id": mailbox}
            new_key = admin.post("/v1/api-keys", json=body).raise_for_status().json()
            return str(new_key["key"])

        def make(mode: str = "gated_send", **settings: Any) -> Inbox:
            body = {"address": f"box-{next(numbers)}", "oversight_mode": mode, **settings}
            new_key = admin.post("/v1/mailboxes", json=body).raise_for_status().json()
            return Inbox(
                server_fixture,
                reviewer,
                new_key["id"],
                new_key["address"],
                key("agent", ["read", "send"], new_key["id"]),
                key("reviewer", ["read", "oversight"], new_key["id"]),
                signed,
            )

        yield make


@pytest.fixture
def box(create_mailbox: Callable[..., Inbox]) -> Iterator[Inbox]:
    """A mailbox whose sends await a human."""
    mailbox = create_mailbox()
    yield mailbox
    mailbox.settle()


@pytest.fixture
def auto_box(create_mailbox: Callable[..., Inbox]) -> Iterator[Inbox]:
    """A mailbox whose sends leave at once."""
    mailbox = create_mailbox("autonomous")
    yield mailbox
    mailbox.settle()


@pytest.fixture
def admin(server_fixture: ServerUnderTest) -> Iterator[httpx.Client]:
    """A client with the admin's key."""
    with server_fixture.http("admin") as client:
        yield client


@pytest.fixture
def wide_key(server_fixture: ServerUnderTest) -> str:
    """A key of the whole account, which may change the contacts that all mailboxes share."""
    return server_fixture.keys.agent


@pytest.fixture(params=["sync", "async"])
def mode(request: pytest.FixtureRequest) -> str:
    """Each test that asks for tools runs on both."""
    return str(request.param)


@pytest.fixture
async def connect(mode: str) -> AsyncIterator[Connect]:
    """A maker of tools."""
    connection = Connect(mode)
    yield connection
    await connection.close()
