"""MultiMail for Microsoft Agent Framework: a mailbox as native function tools.

from agent_framework_multimail import MultiMailToolkit

Agent(client=client, tools=MultiMailToolkit().get_tools())
"""

from ._toolkit import MultiMailApproverToolkit, MultiMailTool, MultiMailToolkit

__all__ = ["MultiMailApproverToolkit", "MultiMailTool", "MultiMailToolkit"]
