"""MultiMail for AutoGen: a mailbox as native tools.

from autogen_multimail import MultiMailToolkit

AssistantAgent("clerk", model_client=client, tools=[*MultiMailToolkit().get_tools()])
"""

from multimail._extras import require_extra

with require_extra("autogen"):
    from ._toolkit import (
        MultiMailApproverToolkit,
        MultiMailTool,
        MultiMailToolError,
        MultiMailToolkit,
    )

__all__ = ["MultiMailApproverToolkit", "MultiMailTool", "MultiMailToolError", "MultiMailToolkit"]
