"""Sessions: what the guard remembers of conversations, in memory, in a file or in Redis.

A conversation that goes on in another process, such as a resumed LangGraph thread or a second
worker, is only as guarded as what both remember: give them one `SqliteSessionStore`, or where
they are on several machines one `RedisSessionStore`.
"""

from .memory import MemorySessionStore
from .redis import RedisSessionStore
from .sqlite import SqliteSessionStore
from .store import SendToken, SessionStore

__all__ = [
    "MemorySessionStore",
    "RedisSessionStore",
    "SendToken",
    "SessionStore",
    "SqliteSessionStore",
]
