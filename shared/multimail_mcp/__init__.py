"""The catalogue's tools as a server of the Model Context Protocol. Only translation.

`multimail` says what the tools do; the official SDK (the extra `mcp`, version 1 or 2) speaks the
protocol. `sdk.py` is the only module that knows in which of its two versions.
"""

from .conversations import CONVERSATION_HEADER, Conversations
from .http_options import HttpOptions
from .server import McpServer

__all__ = ["CONVERSATION_HEADER", "Conversations", "HttpOptions", "McpServer"]
