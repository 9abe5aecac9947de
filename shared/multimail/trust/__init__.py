"""Trust: evidence about a message, the label it earns, and what it may cause.

Pure: nothing in this package does I/O or knows HTTP.
"""

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
