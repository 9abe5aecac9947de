"""The pytest plugin: a fixture that runs a MultiMail server in the test's own process.

pytest loads this file in every run of an environment that has multimail, so it imports nothing
but pytest until the fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .server import ServerUnderTest

_MARKER = (
    "multimail_server(domain=, mode=, clock=, seed=, …): settings of the server that the fixture "
    'multimail_server starts; any field of ServerConfig, clock="virtual" for a clock that the '
    "test moves."
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def multimail_server(request: pytest.FixtureRequest) -> Iterator[ServerUnderTest]:
    """A running server on free ports, with one mailbox and three keys; nothing of it is kept.

    Beside what an `EmbeddedServer` has (`url`, `smtp`, `mailbox`, `keys`) it has `deliver`,
    `wait_for_message`, `outbox`, `advance`, `reset` and `seed`. The marker `multimail_server`
    gives it other settings.
    """
    try:
        from .server import ServerUnderTest, build_config
    except ModuleNotFoundError as error:
        raise pytest.UsageError(
            f"The fixture multimail_server needs {error.name}, which is not installed: "
            'pip install "multimail[server]"'
        ) from error
    options: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("multimail_server"))):
        options.update(marker.kwargs)
    try:
        config = build_config(options)
    except ValueError as error:
        raise pytest.UsageError(f"The marker multimail_server: {error}.") from None
    with ServerUnderTest(config) as server:
        yield server
