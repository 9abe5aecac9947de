"""Fixtures: every session store, and the durable ones for several workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sessions.support import Durable, OpenStore, locate, open_store_at

from multimail.sessions import MemorySessionStore, SessionStore


@pytest.fixture(params=["sqlite", "redis"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the location of a durable store, for `open_store_at`."""
    return locate(request, tmp_path, request.param)


@pytest.fixture
def open_store(where: str) -> Iterator[OpenStore]:
    """Return a function that opens the store once more, for another worker."""
    stores: list[Durable] = []

    def open_another() -> Durable:
        stores.append(open_store_at(where))
        return stores[-1]

    yield open_another
    for store in stores:
        store.close()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SessionStore]:
    """Return each kind of store."""
    if request.param == "memory":
        yield MemorySessionStore()
        return
    durable = open_store_at(locate(request, tmp_path, request.param))
    yield durable
    durable.close()
