"""Labels and standing: the two axes on which a message is judged. They never merge.

A label says how sure it is that a message comes from the domain in its From; it is made from
evidence alone. Standing says what the operator or an approved send had to do with that address
before; it is never made from inbound mail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from .evidence import Authentication, AuthResult


class Label(StrEnum):
    """How sure it is that a message comes from the domain in its From."""

    AUTHENTICATED = "authenticated"
    """A DKIM signature passed and is aligned with From."""
    AUTHENTICATED_PATH = "authenticated_path"
    """Only the route is vouched for, by an aligned SPF pass."""
    UNAUTHENTICATED = "unauthenticated"
    """No proof, and no proof against."""
    UNKNOWN = "unknown"
    """Nobody checked, or DNS did not answer."""
    FAILED = "failed"
    """It claims a domain that disowns it, or its header block is a forgery."""
    OWN = "own"
    """Written in this mailbox."""


class Standing(StrEnum):
    """What is known of an address that did not come from inbound mail."""

    LISTED = "listed"
    """The operator's configuration names it or its domain."""
    KNOWN = "known"
    """The agent has written to it before, with a human's approval."""
    NEW = "new"
    """Neither of these, or nobody can say that it is really them."""


class Tier(IntEnum):
    """How far a message is believed: the columns of the decision table, best first."""

    LISTED = 0
    """Authenticated, and its sender is listed; and what the mailbox itself wrote."""
    PROVEN = 1
    """Authenticated or authenticated by its path, and not listed."""
    UNPROVEN = 2
    """Unauthenticated or unknown."""
    FAILED = 3
    """Disowned, or a forgery."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is thought of a message's sender, and why.

    Attributes:
        label: What the evidence amounts to.
        reasons: Why, in plain words, most important first; then what a reader should know.
        standing: Of the address in From. `new` unless the label says that the address is real.
    """

    label: Label
    reasons: tuple[str, ...] = ()
    standing: Standing = Standing.NEW

    @property
    def tier(self) -> Tier:
        """The column of the decision table that it stands in."""
        if self.label is Label.OWN:
            return Tier.LISTED
        if self.label is Label.AUTHENTICATED and self.standing is Standing.LISTED:
            return Tier.LISTED
        if self.is_certain:
            return Tier.PROVEN
        return Tier.FAILED if self.label is Label.FAILED else Tier.UNPROVEN

    @property
    def is_certain(self) -> bool:
        """Whether the domain in From vouches for the message, by signature or by route."""
        return self.label in (Label.AUTHENTICATED, Label.AUTHENTICATED_PATH)

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {
            "label": self.label.value,
            "standing": self.standing.value,
            "reasons": list(self.reasons),
        }


OWN = Assessment(Label.OWN, standing=Standing.LISTED)


def assess(
    evidence: Authentication | None,
    *,
    accept_unaligned_dkim: bool = False,
    arc_sealers: frozenset[str] = frozenset(),
) -> Assessment:
    """Return the label that evidence earns. The first rule that applies decides.

    Args:
        evidence: What is known; None when the API reported nothing.
        accept_unaligned_dkim: Take a DKIM pass of which nobody said whether it is aligned with
            From for an aligned one. A forger who signs with his own domain passes then.
        arc_sealers: Domains, in lower case, that are believed when their ARC seal says that
            they received a message with proof that its way since has broken.

    Source: RFC 7489 section 3.1 (alignment), RFC 8601 section 2.7 (results), RFC 8617 (ARC).
    """
    if evidence is None:
        return Assessment(Label.UNKNOWN, ("no authentication results were reported",))
    label, reasons = next(_rules(evidence, accept_unaligned_dkim=accept_unaligned_dkim))
    if label is Label.FAILED and not evidence.structure:
        sealer = _believed_sealer(evidence, arc_sealers)
        if sealer:
            label, reasons = Label.UNAUTHENTICATED, (f"passed on by {sealer}", *reasons)
    return Assessment(label, (*reasons, *evidence.flags))


def _believed_sealer(evidence: Authentication, sealers: frozenset[str]) -> str:
    arc = evidence.arc
    passed = arc is not None and arc.result is AuthResult.PASS
    return arc.sealer if arc and passed and arc.sealer.lower() in sealers else ""


def _rules(
    evidence: Authentication, *, accept_unaligned_dkim: bool
) -> Iterator[tuple[Label, tuple[str, ...]]]:
    if evidence.structure:
        yield Label.FAILED, evidence.structure
    for signature in evidence.dkim:
        aligned = signature.aligned or (signature.aligned is None and accept_unaligned_dkim)
        if signature.result is AuthResult.PASS and aligned:
            yield Label.AUTHENTICATED, (f"signed by {_named(signature.domain)}",)
    yield from _path(evidence)
    dmarc = evidence.dmarc
    if dmarc and dmarc.result is AuthResult.PASS:
        yield Label.AUTHENTICATED, ("DMARC pass",)
    if _dns_silent(evidence):
        yield Label.UNKNOWN, ("DNS did not answer",)
    if dmarc and dmarc.result is AuthResult.FAIL and dmarc.policy in ("quarantine", "reject", ""):
        policy = f": the policy of {dmarc.domain} is {dmarc.policy}" if dmarc.policy else ""
        yield Label.FAILED, (f"DMARC fail{policy}", *_signature_faults(evidence))
    if _nothing_known(evidence):
        yield Label.UNKNOWN, ("the authentication results prove neither way",)
    yield Label.UNAUTHENTICATED, _signature_faults(evidence) or ("no signature",)


def _path(evidence: Authentication) -> Iterator[tuple[Label, tuple[str, ...]]]:
    spf = evidence.spf
    if not (spf and spf.result is AuthResult.PASS and spf.aligned):
        return
    dmarc = evidence.dmarc
    untold = any(s.result is AuthResult.PASS and s.aligned is None for s in evidence.dkim)
    # A reporter that keeps alignment to itself and says DMARC pass may mean the signature.
    if not (untold and dmarc and dmarc.result is AuthResult.PASS):
        yield Label.AUTHENTICATED_PATH, (f"SPF pass for {spf.domain}",)


def _dns_silent(evidence: Authentication) -> bool:
    # What could not have vouched for From may be silent: anybody can sign with such a domain.
    signatures = [one for one in evidence.dkim if one.aligned is not False]
    spf = evidence.spf if evidence.spf and evidence.spf.aligned is not False else None
    methods = (*signatures, spf, evidence.dmarc)
    return any(method and method.result is AuthResult.TEMPERROR for method in methods)


def _nothing_known(evidence: Authentication) -> bool:
    unaligned = [s for s in evidence.dkim if s.result is AuthResult.PASS and s.aligned is None]
    if unaligned:
        return True
    methods = [*evidence.dkim, evidence.spf, evidence.dmarc]
    return all(method is None or method.result is AuthResult.UNKNOWN for method in methods)


def _named(domain: str) -> str:
    # A word without a dot is no domain, but whatever its author wanted to say.
    return domain if "." in domain else "a domain without a name"


def _signature_faults(evidence: Authentication) -> tuple[str, ...]:
    faults = []
    for signature in evidence.dkim:
        who = _named(signature.domain)
        if signature.result is AuthResult.PASS:
            faults.append(f"signed by {who}, which is not the domain in From")
        else:
            why = f" ({signature.reason})" if signature.reason else ""
            faults.append(f"signature of {who}: {signature.result}{why}")
    return tuple(faults)
