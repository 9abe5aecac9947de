"""MultiMail for LangChain and LangGraph: a mailbox as native tools, and a middleware.

from langchain_multimail import MultiMailToolkit

agent = create_agent(model, tools=MultiMailToolkit().get_tools())
"""

from typing import TYPE_CHECKING, Any

from .toolkit import MultiMailApproverToolkit, MultiMailTool, MultiMailToolkit

if TYPE_CHECKING:
    from .middleware import MultiMailMiddleware

__all__ = [
    "MultiMailApproverToolkit",
    "MultiMailMiddleware",
    "MultiMailTool",
    "MultiMailToolkit",
]


def __getattr__(name: str) -> Any:
    """Import the middleware at its first use: it needs all of `langchain`, the tools do not."""
    if name == "MultiMailMiddleware":
        from .middleware import MultiMailMiddleware

        return MultiMailMiddleware
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
