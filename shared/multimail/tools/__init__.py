"""Tools for agents and approvers, independent of any framework.

A `Toolkit` has the tools and runs them; `ToolkitBase` is the base of the frameworks' toolkits.
The functions on `RenderedEmail` give app code whole messages under the same guard.
"""

from ._context import ToolContext
from ._format import DATA_NOTE, label_line
from ._guard import Guard, Observer
from ._rendered import (
    TRUSTED_LABELS,
    MailFilter,
    MessagePage,
    RenderedEmail,
    fetch_mailbox_page,
    fetch_thread,
    mark_all_shown,
    parse_labels,
    render_email,
)
from ._session import MIN_CHARS, ToolSession, build_unpickled
from ._spec import (
    SAFE_FACTS,
    Access,
    Hints,
    Steps,
    ToolArgs,
    ToolError,
    ToolResult,
    ToolRun,
    ToolSpec,
)
from ._tool_guard import Approve, CallRefusedError, ToolGuard, ToolPolicy
from ._toolkit import (
    ApproverToolkit,
    SessionOptions,
    Toolkit,
    ToolkitBase,
    ToolkitOptions,
    list_missing_tools,
)
from .catalogue import AGENT_INSTRUCTIONS, AGENT_TOOLS, APPROVER_TOOLS, DEFAULT_TOOLS, PACKS

__all__ = [
    "AGENT_INSTRUCTIONS",
    "AGENT_TOOLS",
    "APPROVER_TOOLS",
    "DATA_NOTE",
    "DEFAULT_TOOLS",
    "MIN_CHARS",
    "PACKS",
    "SAFE_FACTS",
    "TRUSTED_LABELS",
    "Access",
    "Approve",
    "ApproverToolkit",
    "CallRefusedError",
    "Guard",
    "Hints",
    "MailFilter",
    "MessagePage",
    "Observer",
    "RenderedEmail",
    "SessionOptions",
    "Steps",
    "ToolArgs",
    "ToolContext",
    "ToolError",
    "ToolGuard",
    "ToolPolicy",
    "ToolResult",
    "ToolRun",
    "ToolSession",
    "ToolSpec",
    "Toolkit",
    "ToolkitBase",
    "ToolkitOptions",
    "build_unpickled",
    "fetch_mailbox_page",
    "fetch_thread",
    "label_line",
    "list_missing_tools",
    "mark_all_shown",
    "parse_labels",
    "render_email",
]
