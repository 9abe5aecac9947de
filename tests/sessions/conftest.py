"""Fixtures of the session stores' tests: each durable store, and as many workers as want it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.sessions.sends import Durable, OpenStore, opened

from multimail.sessions import MemorySessionStore, SessionStore


@pytest.fixture(params=["sqlite", "redis"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a durable store stands, as `opened` takes it: each that there is."""
    return _where(request, tmp_path, request.param)


def _where(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> str:
    if kind == "sqlite":
        return str(tmp_path / "sessions.db")
    return f"{request.getfixturevalue('redis_server').url}#{uuid4().hex}:"


@pytest.fixture
def open_store(where: str) -> Iterator[OpenStore]:
    """Open the store, as often as there are workers."""
    made: list[Durable] = []

    def make() -> Durable:
        made.append(opened(where))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SessionStore]:
    """Each of the stores that there are."""
    if request.param == "memory":
        yield MemorySessionStore()
        return
    durable = opened(_where(request, tmp_path, request.param))
    yield durable
    durable.close()
