"""The pytest plugin: a fixture that runs a MultiMail server in the test's own process.

pytest loads this file in every run of an environment that has multimail, so it imports nothing
but pytest until the fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .harness import ServerUnderTest

__all__ = ["ServerUnderTest", "multimail_server"]


@pytest.fixture
def multimail_server() -> Iterator[ServerUnderTest]:
    """A running server on free ports, with one mailbox and three keys; nothing of it is kept.

    Beside what an `EmbeddedServer` has (`url`, `smtp`, `mailbox`, `keys`) it has `deliver`,
    `wait_for_message` and `outbox`.
    """
    try:
        from .harness import ServerUnderTest
        from .server import ServerConfig
    except ModuleNotFoundError as error:
        raise pytest.UsageError(
            f"The fixture multimail_server needs {error.name}, which is not installed: "
            'pip install "multimail[server]"'
        ) from error
    with ServerUnderTest(ServerConfig(port=0, smtp_port=0)) as server:
        yield server


def __getattr__(name: str) -> Any:
    """Import the fixture's type, for annotations, at its first use."""
    if name == "ServerUnderTest":
        from .harness import ServerUnderTest

        return ServerUnderTest
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
