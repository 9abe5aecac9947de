"""Loops: what is not answered, or only by a human's leave, lest machines talk forever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .decision import Action, Finding

_BULK = frozenset({"bulk", "list", "junk"})


@dataclass(frozen=True, slots=True)
class Automation:
    """What a message says of having been written by a machine, or to many.

    Attributes:
        auto_submitted: Auto-Submitted, RFC 3834 section 5.
        list_id: List-Id, RFC 2919.
        precedence: Precedence, which has no standard.
        from_ourselves: Whether it came in from outside in the name of this very mailbox.
    """

    auto_submitted: str = ""
    list_id: str = ""
    precedence: str = ""
    from_ourselves: bool = False


def automation_findings(facts: Automation) -> Iterator[Finding]:
    """Find what speaks against answering a message, RFC 3834 section 2."""
    if facts.from_ourselves:
        yield Finding(Action.REFUSE, "own_mail", "it claims to be from this very mailbox")
    keyword = facts.auto_submitted.partition(";")[0].strip().lower()
    if keyword not in ("", "no"):
        yield Finding(Action.REFUSE, "auto_submitted", "a machine wrote it (Auto-Submitted)")
    if facts.list_id.strip():
        yield Finding(Action.HOLD, "mailing_list", "it came through a mailing list (List-Id)")
    if facts.precedence.strip().lower() in _BULK:
        yield Finding(Action.HOLD, "bulk_mail", "it is bulk mail (Precedence)")
