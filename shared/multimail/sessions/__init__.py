"""Sessions: what the guard remembers of conversations, in memory, in a file or in Redis.

A conversation that goes on in another process, such as a resumed LangGraph thread or a second
worker, is only as guarded as what both remember: give them one `SqliteSessionStore`, or where
they are on several machines one `RedisSessionStore`.
"""

from typing import TYPE_CHECKING

from .memory import MemorySessionStore
from .store import SendToken, SessionStore

if TYPE_CHECKING:
    from .redis import RedisSessionStore
    from .sqlite import SqliteSessionStore

__all__ = [
    "MemorySessionStore",
    "RedisSessionStore",
    "SendToken",
    "SessionStore",
    "SqliteSessionStore",
]

if not TYPE_CHECKING:
    from ..late import exports

    __getattr__, __dir__ = exports(
        __name__,
        {"redis": "RedisSessionStore", "sqlite": "SqliteSessionStore"},
        modules="memory redis sqlite store",
    )
