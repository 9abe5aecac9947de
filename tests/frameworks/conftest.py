"""Fixtures of the frameworks' tests: the tools' server and mailboxes; nothing calls home."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.frameworks.apart import elsewhere, find_framework
from tests.frameworks.user_turns import Chat
from tests.tools.conftest import (  # noqa: F401  (fixtures)
    auto_box,
    bare_environment,
    box,
    create_mailbox,
    key_pair,
    server_fixture,
    signed,
)
from tests.tools.support import Inbox

from multimail.trust import GuardDecision

# The frameworks read these when they are imported, which the test modules do after this file.
os.environ |= {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "OTEL_SDK_DISABLED": "true",
    "AGNO_TELEMETRY": "false",
    "LANGSMITH_TRACING": "false",
    "LANGSMITH_TRACING_V2": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "CREWAI_STORAGE_DIR": tempfile.mkdtemp(prefix="multimail-crewai-"),
}
for name in ("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
    os.environ.pop(name, None)


class Elsewhere(pytest.File):
    """A module of tests about a framework that is not in this environment: it is not imported.

    It is no `pytest.Module`, which older versions of pytest-asyncio import themselves.
    """

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        pytest.skip(elsewhere(find_framework(self.path) or "") or "")


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> Elsewhere | None:
    """Leave out modules about frameworks that are not here, and say so."""
    framework = find_framework(module_path)
    if framework is None or elsewhere(framework) is None:
        return None
    return Elsewhere.from_parent(parent, path=module_path)


@pytest.fixture
def decisions() -> list[GuardDecision]:
    """The decisions that `on_decision` received."""
    return []


@pytest.fixture
def chat(auto_box: Inbox) -> Chat:  # noqa: F811  (the fixture above)
    """A chat on a mailbox of its own, in which every send is free."""
    return Chat(auto_box)
