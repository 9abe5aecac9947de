"""Tools: what an agent, or an approver, may do with a mailbox, before any framework."""

from .catalogue import AGENT_INSTRUCTIONS, AGENT_TOOLS, APPROVER_TOOLS
from .context import ToolContext
from .guard import Observer
from .session import ToolSession
from .spec import Access, Hints, ToolArgs, ToolError, ToolResult, ToolSpec
from .toolkit import ApproverToolkit, Toolkit, ToolkitOptions

__all__ = [
    "AGENT_INSTRUCTIONS",
    "AGENT_TOOLS",
    "APPROVER_TOOLS",
    "Access",
    "ApproverToolkit",
    "Hints",
    "Observer",
    "ToolArgs",
    "ToolContext",
    "ToolError",
    "ToolResult",
    "ToolSession",
    "ToolSpec",
    "Toolkit",
    "ToolkitOptions",
]
