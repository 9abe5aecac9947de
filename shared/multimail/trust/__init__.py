"""Trust: evidence about a message, the label it earns, and what it may cause.

Pure: nothing in this package does I/O or knows HTTP.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .decision import Action, GuardDecision, PolicyName
    from .evidence import Authentication, AuthResult
    from .labels import OWN, Assessment, Label, Standing, Tier, assess
    from .policy import ReplyFacts, TrustPolicy
    from .table import Row, Treatment
    from .taint import UNTAINTED, Taint

__all__ = [
    "OWN",
    "UNTAINTED",
    "Action",
    "Assessment",
    "AuthResult",
    "Authentication",
    "GuardDecision",
    "Label",
    "PolicyName",
    "ReplyFacts",
    "Row",
    "Standing",
    "Taint",
    "Tier",
    "Treatment",
    "TrustPolicy",
    "assess",
]

if not TYPE_CHECKING:
    from .._lazy import lazy_exports

    # The client reads evidence and judges nothing: it needs one of these modules.
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "decision": "Action GuardDecision PolicyName",
            "evidence": "Authentication AuthResult",
            "labels": "OWN Assessment Label Standing Tier assess",
            "policy": "ReplyFacts TrustPolicy",
            "table": "Row Treatment",
            "taint": "UNTAINTED Taint",
        },
        submodules="addresses decision evidence labels loops policy quotes reported table taint "
        "text",
    )
