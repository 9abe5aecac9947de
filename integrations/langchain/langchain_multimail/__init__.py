"""MultiMail for LangChain and LangGraph: a mailbox as native tools, documents and a middleware.

from langchain_multimail import MultiMailToolkit

agent = create_agent(model, tools=MultiMailToolkit().get_tools())
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from multimail._extras import require_extra

with require_extra("langchain"):
    from ._toolkit import MultiMailApproverToolkit, MultiMailTool, MultiMailToolkit

if TYPE_CHECKING:
    from ._guarded_retriever import GuardedRetriever
    from ._loader import MultiMailLoader
    from ._middleware import MultiMailMiddleware
    from ._retriever import MultiMailRetriever

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
_LAZY_MODULES = {
    "GuardedRetriever": "_guarded_retriever",
    "MultiMailLoader": "_loader",
    "MultiMailMiddleware": "_middleware",
    "MultiMailRetriever": "_retriever",
}


def __getattr__(name: str) -> Any:
    """Import a lazy name at its first use."""
    if name in _LAZY_MODULES:
        return getattr(import_module(f".{_LAZY_MODULES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
