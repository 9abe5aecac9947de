"""MultiMail for Agno: a mailbox as a native toolkit.

from agno_multimail import MultiMailToolkit

Agent(model=model, tools=[MultiMailToolkit()])
"""

from multimail._extras import require_extra

with require_extra("agno"):
    from ._toolkit import MultiMailApproverToolkit, MultiMailToolkit

__all__ = ["MultiMailApproverToolkit", "MultiMailToolkit"]
