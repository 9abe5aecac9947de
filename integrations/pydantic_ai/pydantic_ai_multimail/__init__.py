"""MultiMail for Pydantic AI: a mailbox as a native toolset.

from pydantic_ai_multimail import MultiMailToolset

Agent("openai:gpt-5-mini", toolsets=[MultiMailToolset()])
"""

from multimail._extras import require_extra

with require_extra("pydantic-ai"):
    from ._toolset import (
        GuardedToolset,
        MultiMailApproverToolkit,
        MultiMailToolkit,
        MultiMailToolset,
    )

__all__ = ["GuardedToolset", "MultiMailApproverToolkit", "MultiMailToolkit", "MultiMailToolset"]
