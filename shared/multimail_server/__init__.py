"""The embedded MultiMail server: a mailbox that really receives, gates and sends, on this machine.

Names are loaded when they are first used, so that importing the package, as the pytest plugin
does in every test run, costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .clock import Ids, SystemClock
    from .config import ServerConfig, ServerStartError
    from .server import EmbeddedServer

__all__ = [
    "EmbeddedServer",
    "Ids",
    "ServerConfig",
    "ServerStartError",
    "SystemClock",
]

_HOMES = {
    "EmbeddedServer": "server",
    "Ids": "clock",
    "ServerConfig": "config",
    "ServerStartError": "config",
    "SystemClock": "clock",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value
