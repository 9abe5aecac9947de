"""MultiMail for LangChain and LangGraph: a mailbox as native tools, documents and a middleware.

from langchain_multimail import MultiMailToolkit

agent = create_agent(model, tools=MultiMailToolkit().get_tools())
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .toolkit import MultiMailApproverToolkit, MultiMailTool, MultiMailToolkit

if TYPE_CHECKING:
    from .guarded import GuardedRetriever
    from .loader import MultiMailLoader
    from .middleware import MultiMailMiddleware
    from .retriever import MultiMailRetriever

__all__ = [
    "GuardedRetriever",
    "MultiMailApproverToolkit",
    "MultiMailLoader",
    "MultiMailMiddleware",
    "MultiMailRetriever",
    "MultiMailTool",
    "MultiMailToolkit",
]

# Imported at their first use: the tools need neither all of `langchain` nor its vector stores.
_LATE = {
    "GuardedRetriever": "guarded",
    "MultiMailLoader": "loader",
    "MultiMailMiddleware": "middleware",
    "MultiMailRetriever": "retriever",
}


def __getattr__(name: str) -> Any:
    """Import what is not needed for the tools at its first use."""
    if name in _LATE:
        return getattr(import_module(f".{_LATE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
