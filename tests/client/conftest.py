"""Fixtures of the client's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.client.support import Connect


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own settings must not reach the tests."""
    for name in ("API_KEY", "API_URL", "MAILBOX", "MAILBOX_ID", "ALLOW_HTTP"):
        monkeypatch.delenv(f"MULTIMAIL_{name}", raising=False)


@pytest.fixture(params=["sync", "async"])
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Connect]:
    """A maker of clients: each test that asks for it runs on both classes."""
    made = Connect(request.param)
    yield made
    await made.close()
