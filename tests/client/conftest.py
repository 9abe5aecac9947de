"""Fixtures of the client tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.client.support import Connect


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the developer's own settings from the environment."""
    for name in ("API_KEY", "API_URL", "MAILBOX", "MAILBOX_ID", "ALLOW_HTTP"):
        monkeypatch.delenv(f"MULTIMAIL_{name}", raising=False)


@pytest.fixture(params=["sync", "async"])
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Connect]:
    """A factory of clients; the test runs with both classes."""
    factory = Connect(request.param)
    yield factory
    await factory.close()
