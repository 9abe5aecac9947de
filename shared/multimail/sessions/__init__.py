"""Sessions: what the guard remembers of conversations, in memory or in a file.

A conversation that goes on in another process, such as a resumed LangGraph thread or a second
worker, is only as guarded as what both remember: give them one `SqliteSessionStore`.
"""

from .memory import MemorySessionStore
from .sqlite import SqliteSessionStore
from .store import SendToken, SessionStore

__all__ = ["MemorySessionStore", "SendToken", "SessionStore", "SqliteSessionStore"]
