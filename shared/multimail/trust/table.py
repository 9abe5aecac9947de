"""The decision table: what a message of each tier may show and cause, as data."""

from __future__ import annotations

from enum import StrEnum

from .decision import Action, PolicyName
from .labels import Tier


class Treatment(StrEnum):
    """How much of a message's text a model is shown. All of it stands between marks."""

    MARKED = "marked"
    """All of it."""
    DEFANGED = "defanged"
    """Links cannot be followed, but can be read."""
    LINKS_REMOVED = "links_removed"
    """The text without its links, and no attachments."""
    WITHHELD = "withheld"
    """Only who it claims to be from, to whom, when and its subject."""


class Row(StrEnum):
    """What may be done: the rows of the table."""

    REPLY = "reply"
    """An answer to the address in From, and to nobody else."""
    INTRODUCE = "introduce"
    """A send to, or an entry in the address book for, an address that only mail supplied."""
    CHANGE = "change"
    """Any other change that reaches people: a send to an address that is allowed."""
    NOTE = "note"
    """What reaches nobody: a tag, the withdrawal of one's own message."""


_ALLOW, _HOLD, _REFUSE = Action.ALLOW, Action.HOLD, Action.REFUSE
_MARKED = Treatment.MARKED
_BODY: dict[PolicyName, tuple[Treatment, Treatment, Treatment, Treatment]] = {
    "standard": (
        *(Treatment.MARKED, Treatment.DEFANGED),
        *(Treatment.LINKS_REMOVED, Treatment.WITHHELD),
    ),
    "strict": (
        *(Treatment.MARKED, Treatment.LINKS_REMOVED),
        *(Treatment.WITHHELD, Treatment.WITHHELD),
    ),
    "off": (_MARKED, _MARKED, _MARKED, _MARKED),
}
_ACTIONS: dict[PolicyName, dict[Row, tuple[Action, Action, Action, Action]]] = {
    "standard": {
        Row.REPLY: (_ALLOW, _ALLOW, _HOLD, _REFUSE),
        Row.INTRODUCE: (_HOLD, _HOLD, _HOLD, _REFUSE),
        Row.CHANGE: (_ALLOW, _ALLOW, _HOLD, _HOLD),
        Row.NOTE: (_ALLOW, _ALLOW, _ALLOW, _ALLOW),
    },
    "strict": {
        Row.REPLY: (_ALLOW, _HOLD, _HOLD, _REFUSE),
        Row.INTRODUCE: (_HOLD, _HOLD, _HOLD, _REFUSE),
        Row.CHANGE: (_ALLOW, _HOLD, _HOLD, _HOLD),
        Row.NOTE: (_ALLOW, _HOLD, _HOLD, _HOLD),
    },
    "off": dict.fromkeys(Row, (_ALLOW, _ALLOW, _ALLOW, _ALLOW)),
}


def treatment(policy: PolicyName, tier: Tier) -> Treatment:
    """Return how a message of that tier is shown."""
    return _BODY[policy][tier]


def action(policy: PolicyName, row: Row, tier: Tier) -> Action:
    """Return what the table says; `allow` means that the mailbox's mode decides."""
    return _ACTIONS[policy][row][tier]
