"""Labels and standing: the two axes on which a message is judged. They are never merged.

A label says how certain it is that a message comes from the domain in its From; it is derived from
evidence alone. Standing says whether the operator lists that address, or whether a human has
approved mail to it; it is never derived from inbound mail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from .evidence import Authentication, AuthResult


class Label(StrEnum):
    """How certain it is that a message comes from the domain in its From."""

    AUTHENTICATED = "authenticated"
    """A DKIM signature passed and is aligned with From."""
    AUTHENTICATED_PATH = "authenticated_path"
    """Only the route is authenticated, by an aligned SPF pass."""
    UNAUTHENTICATED = "unauthenticated"
    """No proof, and no proof against."""
    UNKNOWN = "unknown"
    """Not checked, or DNS did not answer."""
    FAILED = "failed"
    """It claims a domain that disowns it, or its header block is a forgery."""
    OWN = "own"
    """Written in this mailbox."""


class Standing(StrEnum):
    """What is known of an address from other sources than inbound mail."""

    LISTED = "listed"
    """The operator's configuration names it or its domain."""
    KNOWN = "known"
    """The agent has written to it before, with a human's approval."""
    NEW = "new"
    """Neither of these, or the label does not confirm that the address is real."""


class Tier(IntEnum):
    """How far a message is believed: the columns of the decision table, best first."""

    LISTED = 0
    """Authenticated, and its sender is listed; also the mailbox's own messages."""
    PROVEN = 1
    """Authenticated or authenticated by its path, and not listed."""
    UNPROVEN = 2
    """Unauthenticated or unknown."""
    FAILED = 3
    """Disowned, or a forgery."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """How far a message's sender is believed, and why.

    Attributes:
        label: What the evidence amounts to.
        reasons: Why, in plain words, most important first; then what a reader should know.
        standing: Of the address in From; `new` unless the label confirms that it is real.
    """

    label: Label
    reasons: tuple[str, ...] = ()
    standing: Standing = Standing.NEW

    @property
    def tier(self) -> Tier:
        """Its column of the decision table."""
        if self.label is Label.OWN:
            return Tier.LISTED
        if self.label is Label.AUTHENTICATED and self.standing is Standing.LISTED:
            return Tier.LISTED
        if self.is_certain:
            return Tier.PROVEN
        return Tier.FAILED if self.label is Label.FAILED else Tier.UNPROVEN

    @property
    def is_certain(self) -> bool:
        """Whether the domain in From is authenticated, by signature or by route."""
        return self.label in (Label.AUTHENTICATED, Label.AUTHENTICATED_PATH)

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON-serializable data."""
        return {
            "label": self.label.value,
            "standing": self.standing.value,
            "reasons": list(self.reasons),
        }


OWN = Assessment(Label.OWN, standing=Standing.LISTED)
"""The assessment of a message that the mailbox itself wrote."""


def assess(
    evidence: Authentication | None,
    *,
    accept_unaligned_dkim: bool = False,
    arc_sealers: frozenset[str] = frozenset(),
) -> Assessment:
    """Return the label that evidence earns. The first rule that applies decides.

    Args:
        evidence: The authentication results; None when the API reported none.
        accept_unaligned_dkim: Treat a DKIM pass with unknown alignment as aligned. A forger who
            signs with another domain then passes.
        arc_sealers: Domains, in lower case, whose ARC seal is believed when it says that the
            message was authenticated on arrival there and broken since.

    Source: RFC 9989 section 4.4 (alignment), RFC 8601 section 2.7 (results), RFC 8617 (ARC).
    """
    if evidence is None:
        return Assessment(Label.UNKNOWN, ("no authentication results were reported",))
    label, reasons = next(_rules(evidence, accept_unaligned_dkim=accept_unaligned_dkim))
    if label is Label.FAILED and not evidence.structure:
        sealer = _trusted_sealer(evidence, arc_sealers)
        if sealer:
            label, reasons = Label.UNAUTHENTICATED, (f"passed on by {sealer}", *reasons)
    return Assessment(label, (*reasons, *evidence.flags))


def _trusted_sealer(evidence: Authentication, sealers: frozenset[str]) -> str:
    arc = evidence.arc
    passed = arc is not None and arc.result is AuthResult.PASS
    return arc.sealer if arc and passed and arc.sealer.lower() in sealers else ""


def _rules(
    evidence: Authentication, *, accept_unaligned_dkim: bool
) -> Iterator[tuple[Label, tuple[str, ...]]]:
    """Yield the label and reasons of each rule that applies, in order of precedence."""
    if evidence.structure:
        yield Label.FAILED, evidence.structure
    for signature in evidence.dkim:
        aligned = signature.aligned or (signature.aligned is None and accept_unaligned_dkim)
        if signature.result is AuthResult.PASS and aligned:
            yield Label.AUTHENTICATED, (f"signed by {_display_domain(signature.domain)}",)
    yield from _path_rule(evidence)
    dmarc = evidence.dmarc
    if dmarc and dmarc.result is AuthResult.PASS:
        yield Label.AUTHENTICATED, ("DMARC pass",)
    if _is_dns_silent(evidence):
        yield Label.UNKNOWN, ("DNS did not answer",)
    if dmarc and dmarc.result is AuthResult.FAIL and dmarc.policy in ("quarantine", "reject", ""):
        policy = f": the policy of {dmarc.domain} is {dmarc.policy}" if dmarc.policy else ""
        yield Label.FAILED, (f"DMARC fail{policy}", *_signature_faults(evidence))
    if _is_inconclusive(evidence):
        yield Label.UNKNOWN, ("the authentication results prove neither way",)
    yield Label.UNAUTHENTICATED, _signature_faults(evidence) or ("no signature",)


def _path_rule(evidence: Authentication) -> Iterator[tuple[Label, tuple[str, ...]]]:
    spf = evidence.spf
    if not (spf and spf.result is AuthResult.PASS and spf.aligned):
        return
    dmarc = evidence.dmarc
    unclear = any(s.result is AuthResult.PASS and s.aligned is None for s in evidence.dkim)
    # A reporter that omits alignment and says DMARC pass may mean the signature.
    if not (unclear and dmarc and dmarc.result is AuthResult.PASS):
        yield Label.AUTHENTICATED_PATH, (f"SPF pass for {spf.domain}",)


def _is_dns_silent(evidence: Authentication) -> bool:
    # A method that could not authenticate From is ignored: anyone can sign with a silent domain.
    signatures = [signature for signature in evidence.dkim if signature.aligned is not False]
    spf = evidence.spf if evidence.spf and evidence.spf.aligned is not False else None
    methods = (*signatures, spf, evidence.dmarc)
    return any(method and method.result is AuthResult.TEMPERROR for method in methods)


def _is_inconclusive(evidence: Authentication) -> bool:
    unclear = [s for s in evidence.dkim if s.result is AuthResult.PASS and s.aligned is None]
    if unclear:
        return True
    methods = [*evidence.dkim, evidence.spf, evidence.dmarc]
    return all(method is None or method.result is AuthResult.UNKNOWN for method in methods)


def _display_domain(domain: str) -> str:
    # Text without a dot is not a domain; its author could have written any sentence.
    return domain if "." in domain else "a domain without a name"


def _signature_faults(evidence: Authentication) -> tuple[str, ...]:
    faults = []
    for signature in evidence.dkim:
        domain = _display_domain(signature.domain)
        if signature.result is AuthResult.PASS:
            faults.append(f"signed by {domain}, which is not the domain in From")
        else:
            reason = f" ({signature.reason})" if signature.reason else ""
            faults.append(f"signature of {domain}: {signature.result}{reason}")
    return tuple(faults)
