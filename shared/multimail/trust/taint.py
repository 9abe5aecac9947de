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
        addresses = dict(self.addresses)
        for address, tier in more.addresses.items():
            addresses[address] = min(tier, addresses.get(address, tier))
        return Taint(_worse(self.worst, more.worst), addresses)


UNTAINTED = Taint()


def _worse(one: Assessment | None, other: Assessment | None) -> Assessment | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=rank)


def rank(assessment: Assessment) -> tuple[int, int]:
    """Return by what assessments are ordered, best first; equal only where they are equal."""
    label = list(Label).index(assessment.label)
    standing = list(Standing).index(assessment.standing)
    return assessment.tier, label * len(Standing) + standing
