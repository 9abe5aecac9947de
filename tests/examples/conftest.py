"""Fixtures of the examples' tests: a server on which somebody waits for an answer."""

from __future__ import annotations

import pytest
from tests.tools.conftest import key_pair, signed  # noqa: F401  (fixtures)

from multimail_server.testing import ServerUnderTest


@pytest.fixture
def server(multimail_server: ServerUnderTest) -> ServerUnderTest:
    """A server whose mailbox holds one unread email, of an unproven sender."""
    multimail_server.deliver("Where is order 7?", subject="Order 7", sender="ann@example.org")
    return multimail_server
