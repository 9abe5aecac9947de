"""MultiMail for Microsoft Agent Framework: a mailbox as native function tools.

from agent_framework_multimail import MultiMailToolkit

Agent(client=client, tools=MultiMailToolkit().get_tools())
"""

from multimail._extras import require_extra

with require_extra("agent-framework"):
    from ._toolkit import MultiMailApproverToolkit, MultiMailTool, MultiMailToolkit

__all__ = ["MultiMailApproverToolkit", "MultiMailTool", "MultiMailToolkit"]
