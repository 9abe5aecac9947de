"""MultiMail for the OpenAI Agents SDK: a mailbox as native function tools.

from openai_agents_multimail import MultiMailToolkit

Agent(name="clerk", tools=[*MultiMailToolkit().get_tools()])
"""

from multimail._extras import require_extra

with require_extra("openai-agents"):
    from ._toolkit import MultiMailApproverToolkit, MultiMailToolkit

__all__ = ["MultiMailApproverToolkit", "MultiMailToolkit"]
