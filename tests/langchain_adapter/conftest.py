"""Fixtures of the LangChain tests: the tools' server and mailboxes, and no tracing."""

from __future__ import annotations

import os

import pytest
from tests.tools.conftest import (  # noqa: F401  (fixtures)
    auto_box,
    bare_environment,
    box,
    create_mailbox,
    key_pair,
    server_fixture,
    signed,
)

for name in ("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2"):
    os.environ[name] = "false"
for name in ("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
    os.environ.pop(name, None)


@pytest.fixture(params=["invoke", "stream", "ainvoke", "astream"])
def way(request: pytest.FixtureRequest) -> str:
    """How an agent is run."""
    return str(request.param)
