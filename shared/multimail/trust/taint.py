"""Taint: what a conversation has been told by others. It only grows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .labels import Assessment, Label, Standing, Tier


@dataclass(frozen=True, slots=True)
class Taint:
    """What text of others a conversation holds.

    Attributes:
        worst: The assessment of the least believable message of which something was shown;
            None while nothing was.
        addresses: Addresses that mail supplied, normalised, each with the best tier of the
            messages that named it.
    """

    worst: Assessment | None = None
    addresses: Mapping[str, Tier] = field(default_factory=dict)

    @classmethod
    def by(cls, assessment: Assessment, addresses: Iterable[str] = ()) -> Taint:
        """Return the taint of one message.

        Args:
            assessment: What is thought of it.
            addresses: What it names, normalised.
        """
        plain = Assessment(assessment.label, standing=assessment.standing)
        return cls(plain, dict.fromkeys(addresses, assessment.tier))

    @property
    def tier(self) -> Tier | None:
        """The tier of the worst message; None while the conversation is untainted."""
        return self.worst.tier if self.worst else None

    def grown(self, more: Taint) -> Taint:
        """Return this taint and more; nothing of either is lost."""
        return united((self, more))


UNTAINTED = Taint()


def united(taints: Iterable[Taint]) -> Taint:
    """Return all of these taints as one; nothing of any is lost."""
    worst: Assessment | None = None
    addresses: dict[str, Tier] = {}
    for taint in taints:
        worst = _worse(worst, taint.worst)
        if not addresses:
            addresses.update(taint.addresses)
            continue
        for address, tier in taint.addresses.items():
            addresses[address] = min(tier, addresses.get(address, tier))
    return Taint(worst, addresses)


def _worse(one: Assessment | None, other: Assessment | None) -> Assessment | None:
    if one is None or other is None:
        return one or other
    return one if one == other else max(one, other, key=rank)


_LABELS = {label: number for number, label in enumerate(Label)}
_STANDINGS = {standing: number for number, standing in enumerate(Standing)}


def rank(assessment: Assessment) -> tuple[int, int]:
    """Return by what assessments are ordered, best first; equal only where they are equal."""
    label, standing = _LABELS[assessment.label], _STANDINGS[assessment.standing]
    return assessment.tier, label * len(_STANDINGS) + standing
