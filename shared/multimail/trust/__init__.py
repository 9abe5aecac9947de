"""Trust: evidence about a message, the label it earns, and what it may cause.

Pure: nothing in this package does I/O or knows HTTP.
"""

from .evidence import Authentication, AuthResult
from .policy import OWN, Action, Assessment, GuardDecision, Label, PolicyName, TrustPolicy, assess

__all__ = [
    "OWN",
    "Action",
    "Assessment",
    "AuthResult",
    "Authentication",
    "GuardDecision",
    "Label",
    "PolicyName",
    "TrustPolicy",
    "assess",
]
