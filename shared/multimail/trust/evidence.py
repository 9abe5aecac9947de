"""Evidence: what is known about who sent a message, before anyone judges it.

The embedded server fills these models in from the raw message and DNS; the client reads them
from whatever spelling an API answers with. Nothing here decides: labels are in `policy`.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class AuthResult(StrEnum):
    """The outcome of one authentication method, in the words of RFC 8601 section 2.7.

    `UNKNOWN` is ours: no result was reported, or one that RFC 8601 does not define. It is
    never treated as a pass.
    """

    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    POLICY = "policy"
    NONE = "none"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> AuthResult:
        if isinstance(value, str) and value.lower() in cls._value2member_map_:
            return cls(value.lower())
        return cls.UNKNOWN


class _Evidence(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)


class DkimEvidence(_Evidence):
    """One DKIM signature (RFC 6376)."""

    domain: str = ""
    """The signing domain, tag `d=`."""
    selector: str = ""
    result: AuthResult = AuthResult.UNKNOWN
    aligned: bool | None = None
    """Whether `domain` is aligned with From by DMARC's rules; None when nobody said."""
    reason: str = ""
    """Why the result is not a pass, in a few plain words."""


class SpfEvidence(_Evidence):
    """The SPF check of the SMTP envelope (RFC 7208)."""

    result: AuthResult = AuthResult.UNKNOWN
    domain: str = ""
    """The domain of MAIL FROM, or of HELO where MAIL FROM is empty."""
    aligned: bool | None = None
    reason: str = ""


class DmarcEvidence(_Evidence):
    """DMARC (RFC 7489): does anything that passed speak for the domain in From?"""

    result: AuthResult = AuthResult.UNKNOWN
    domain: str = ""
    """The organisational domain of From."""
    policy: str = ""
    """What that domain publishes: `none`, `quarantine`, `reject`, or empty for no record."""
    reason: str = ""


class ArcEvidence(_Evidence):
    """The ARC chain (RFC 8617). A pass says that an intermediary vouches, no more."""

    result: AuthResult = AuthResult.UNKNOWN
    sealer: str = ""
    """The domain that sealed it last."""
    reason: str = ""


class Authentication(_Evidence):
    """All the evidence about one message. A missing method is unknown, never a pass."""

    dkim: tuple[DkimEvidence, ...] = ()
    spf: SpfEvidence | None = None
    dmarc: DmarcEvidence | None = None
    arc: ArcEvidence | None = None
    structure: tuple[str, ...] = Field(default=())
    """Faults of the header block that make From unreliable (RFC 5322 section 3.6), in words."""
    flags: tuple[str, ...] = ()
    """What a reader should know and that decides nothing, such as a Message-ID seen before."""
