"""Trust: the evidence about a message, the label it earns, and what it may cause.

Pure: this package does no I/O and knows nothing of HTTP.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .decisions import Action, GuardDecision, OperationKind, PolicyName, Treatment
    from .evidence import Authentication, AuthResult
    from .facts import AutoReplyHeaders, EnclosedFile, ReplyFacts
    from .labels import OWN, Assessment, Label, Standing, Tier, assess
    from .policy import TrustPolicy
    from .taint import UNTAINTED, Taint

__all__ = [
    "OWN",
    "UNTAINTED",
    "Action",
    "Assessment",
    "AuthResult",
    "Authentication",
    "AutoReplyHeaders",
    "EnclosedFile",
    "GuardDecision",
    "Label",
    "OperationKind",
    "PolicyName",
    "ReplyFacts",
    "Standing",
    "Taint",
    "Tier",
    "Treatment",
    "TrustPolicy",
    "assess",
]

if not TYPE_CHECKING:
    from .._lazy import lazy_exports

    # The client parses evidence and judges nothing, so it loads only `evidence`.
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "decisions": "Action GuardDecision OperationKind PolicyName Treatment",
            "evidence": "Authentication AuthResult",
            "facts": "AutoReplyHeaders EnclosedFile ReplyFacts",
            "labels": "OWN Assessment Label Standing Tier assess",
            "policy": "TrustPolicy",
            "taint": "UNTAINTED Taint",
        },
        submodules="addresses automation decisions evidence labels links masking payment policy "
        "provenance taint text",
    )
