"""MultiMail for Google's Agent Development Kit: a mailbox as a native toolset.

from google_adk_multimail import MultiMailToolset

LlmAgent(name="clerk", model="gemini-2.5-flash", tools=[MultiMailToolset()])
"""

from multimail._extras import require_extra

with require_extra("google-adk"):
    from ._toolset import (
        MultiMailApproverToolkit,
        MultiMailTool,
        MultiMailToolkit,
        MultiMailToolset,
    )

__all__ = ["MultiMailApproverToolkit", "MultiMailTool", "MultiMailToolkit", "MultiMailToolset"]
