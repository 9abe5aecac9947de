"""MultiMail for CrewAI: a mailbox as native tools.

from crewai_multimail import MultiMailToolkit

Agent(role="Support", …, tools=MultiMailToolkit().get_tools())
"""

from multimail._extras import require_extra

with require_extra("crewai"):
    from ._toolkit import MultiMailApproverToolkit, MultiMailTool, MultiMailToolkit

__all__ = ["MultiMailApproverToolkit", "MultiMailTool", "MultiMailToolkit"]
