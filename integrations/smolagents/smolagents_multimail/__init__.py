"""MultiMail for smolagents: a mailbox as native tools, beside your own `@tool` functions.

from smolagents_multimail import MultiMailToolkit

CodeAgent(tools=[*MultiMailToolkit().get_tools(), my_tool], model=model)
"""

from multimail._extras import require_extra

with require_extra("smolagents"):
    from ._toolkit import MultiMailApproverToolkit, MultiMailTool, MultiMailToolkit, Reply

__all__ = ["MultiMailApproverToolkit", "MultiMailTool", "MultiMailToolkit", "Reply"]
