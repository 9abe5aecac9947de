"""MultiMail for CrewAI: a mailbox as native tools.

from crewai_multimail import MultiMailToolkit

Agent(role="Support", …, tools=MultiMailToolkit().get_tools())
"""

from ._toolkit import MultiMailApproverToolkit, MultiMailTool, MultiMailToolkit

__all__ = ["MultiMailApproverToolkit", "MultiMailTool", "MultiMailToolkit"]
