"""MultiMail for Semantic Kernel: a mailbox as a native plugin.

from semantic_kernel_multimail import MultiMailToolkit

ChatCompletionAgent(service=service, plugins=[MultiMailToolkit().get_plugin()])
"""

from multimail._extras import require_extra

with require_extra("semantic-kernel"):
    from ._toolkit import MultiMailApproverToolkit, MultiMailFunction, MultiMailToolkit

__all__ = ["MultiMailApproverToolkit", "MultiMailFunction", "MultiMailToolkit"]
