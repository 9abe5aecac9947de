"""Fixtures of the MCP tests: the real command in its own process, real mailboxes behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.frameworks.conftest import (  # noqa: F401  (fixtures; and nothing calls home)
    bare_environment,
    box,
    free_box,
    house,
    key_pair,
    new_box,
    signed,
)
from tests.mcp_server.support import Command
from tests.tools.support import Box


@pytest.fixture
def command(free_box: Box) -> Iterator[Command]:  # noqa: F811 (the fixture)
    """The command, with the agent's key of a mailbox whose sends leave at once."""
    made = Command(free_box, free_box.agent_key)
    yield made
    made.close()


@pytest.fixture
def approver(box: Box) -> Iterator[Command]:  # noqa: F811 (the fixture)
    """The command with the reviewer's pack and key, of a mailbox whose sends await him."""
    made = Command(box, box.reviewer_key, "--role", "approver")
    yield made
    made.close()
