"""Fixtures of the MCP tests: the real command in its own process, real mailboxes behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.frameworks.conftest import (  # noqa: F401  (fixtures; and nothing calls home)
    auto_box,
    bare_environment,
    box,
    create_mailbox,
    key_pair,
    server_fixture,
    signed,
)
from tests.mcp_server.support import Command
from tests.tools.support import Inbox


@pytest.fixture
def command(auto_box: Inbox) -> Iterator[Command]:  # noqa: F811 (the fixture)
    """The command, with the agent's key of a mailbox whose sends leave at once."""
    instance = Command(auto_box, auto_box.agent_key)
    yield instance
    instance.close()


@pytest.fixture
def approver(box: Inbox) -> Iterator[Command]:  # noqa: F811 (the fixture)
    """The command with the reviewer's pack and key, of a mailbox whose sends await him."""
    command = Command(box, box.reviewer_key, "--role", "approver")
    yield command
    command.close()
