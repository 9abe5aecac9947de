"""MultiMail for LlamaIndex: a mailbox as native tools.

from llama_index_multimail import MultiMailToolkit

FunctionAgent(tools=MultiMailToolkit().get_tools(), llm=llm)
"""

from multimail._extras import require_extra

with require_extra("llama-index"):
    from ._toolkit import MultiMailApproverToolkit, MultiMailTool, MultiMailToolkit

__all__ = ["MultiMailApproverToolkit", "MultiMailTool", "MultiMailToolkit"]
