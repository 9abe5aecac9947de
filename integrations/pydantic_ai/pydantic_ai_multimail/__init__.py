"""MultiMail for Pydantic AI: a mailbox as a native toolset.

from pydantic_ai_multimail import MultiMailToolset

Agent("openai:gpt-5-mini", toolsets=[MultiMailToolset()])
"""

from ._toolset import GuardedToolset, MultiMailApproverToolkit, MultiMailToolkit, MultiMailToolset

__all__ = ["GuardedToolset", "MultiMailApproverToolkit", "MultiMailToolkit", "MultiMailToolset"]
