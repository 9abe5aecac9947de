"""Session stores: what the guard remembers of conversations, in memory, in SQLite or in Redis.

A conversation that continues in another process, such as a resumed LangGraph thread or a second
worker, is only guarded by what both processes remember. Share a `SqliteSessionStore` between the
processes of one machine, and a `RedisSessionStore` between machines.
"""

from typing import TYPE_CHECKING

from ._store import MemorySessionStore, SendToken, SessionStore

if TYPE_CHECKING:
    from ._redis import RedisSessionStore
    from ._sqlite import SqliteSessionStore

__all__ = [
    "MemorySessionStore",
    "RedisSessionStore",
    "SendToken",
    "SessionStore",
    "SqliteSessionStore",
]

if not TYPE_CHECKING:
    from .._lazy import lazy_exports

    __getattr__, __dir__ = lazy_exports(
        __name__, {"_redis": "RedisSessionStore", "_sqlite": "SqliteSessionStore"}
    )
