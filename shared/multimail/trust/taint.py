"""Taint: the mail of others that a conversation has been shown. It only grows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .labels import Assessment, Label, Standing, Tier


@dataclass(frozen=True, slots=True)
class Taint:
    """What a conversation has been shown of other people's mail.

    Attributes:
        worst: The assessment of the least believable message that was shown, even in part; None
            while no message was.
        named: What mail named (`provenance`), each with the best tier of the messages that
            named it.
    """

    worst: Assessment | None = None
    named: Mapping[str, Tier] = field(default_factory=dict)

    @classmethod
    def from_assessment(cls, assessment: Assessment, named: Iterable[str] = ()) -> Taint:
        """Return the taint of one message.

        Args:
            assessment: Of its sender.
            named: What it names, as keys of `named`.
        """
        plain = Assessment(assessment.label, standing=assessment.standing)
        return cls(plain, dict.fromkeys(named, assessment.tier))

    @property
    def tier(self) -> Tier | None:
        """The tier of the worst message; None while the conversation is untainted."""
        return self.worst.tier if self.worst else None

    def merge(self, other: Taint) -> Taint:
        """Return this taint and the other as one; nothing of either is lost."""
        return merge_all((self, other))


UNTAINTED = Taint()


def merge_all(taints: Iterable[Taint]) -> Taint:
    """Return all of these taints as one; nothing of any is lost."""
    worst: Assessment | None = None
    named: dict[str, Tier] = {}
    for taint in taints:
        worst = _worse(worst, taint.worst)
        if not named:
            named.update(taint.named)
            continue
        for name, tier in taint.named.items():
            named[name] = min(tier, named.get(name, tier))
    return Taint(worst, named)


def _worse(first: Assessment | None, second: Assessment | None) -> Assessment | None:
    if first is None or second is None:
        return first or second
    return first if first == second else max(first, second, key=severity_key)


_LABEL_ORDER = {label: number for number, label in enumerate(Label)}
_STANDING_ORDER = {standing: number for number, standing in enumerate(Standing)}


def severity_key(assessment: Assessment) -> tuple[int, int]:
    """Return the sort key of an assessment, best first; equal keys mean equal assessments."""
    label, standing = _LABEL_ORDER[assessment.label], _STANDING_ORDER[assessment.standing]
    return assessment.tier, label * len(_STANDING_ORDER) + standing
