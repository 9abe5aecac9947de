"""Test support: a server for tests, its pytest fixture, seeded mail, a virtual clock, faults.

The pytest plugin `multimail_server.testing.plugin` registers the fixture `multimail_server`.
The rest of the server doesn't import this package: the code that starts a server, such as
`multimail serve`, plugs in `TestSupport`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .clock import VirtualClock
    from .plugin import multimail_server
    from .server import ServerUnderTest
    from .support import TestSupport

__all__ = ["ServerUnderTest", "TestSupport", "VirtualClock", "multimail_server"]

_MODULES = {
    "ServerUnderTest": "server",
    "TestSupport": "support",
    "VirtualClock": "clock",
    "multimail_server": "plugin",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
