"""The tools of `multimail` as a server of the Model Context Protocol.

The package only translates: `multimail` defines what the tools do, and the official SDK (the extra
`mcp`, version 1 or 2) implements the protocol. Only `sdk_compat.py` knows the SDK's version.
"""

from .conversations import CONVERSATION_HEADER, Conversations
from .http_options import HttpOptions
from .server import McpServer

__all__ = ["CONVERSATION_HEADER", "Conversations", "HttpOptions", "McpServer"]
