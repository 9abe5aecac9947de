"""Calls of the app's own tools: what text of others may make them do."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from .addresses import normalize_address
from .decisions import Finding, GuardDecision, OperationKind, decide, get_action
from .labels import OWN, Assessment, Tier
from .policy import TrustPolicy
from .provenance import is_proven
from .taint import Taint
from .targets import MAX_TARGETS, Sources, Target, TargetKind, get_host

_MAX_SHOWN = 80


class Effect(StrEnum):
    """What a call of a tool can cause."""

    READ = "read"
    """Nothing changes. Reading from a URL still tells its owner something."""
    INTERNAL = "internal"
    """It changes the user's own data, and reaches others only through its targets."""
    OUTSIDE = "outside"
    """It reaches others, or its text is carried out: a post, a command, a query."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What the decision on a call depends on.

    Attributes:
        tool: The tool's name.
        effect: What it can cause.
        targets: What it acts on.
        sources: Where targets may come from.
        payments: The payment details in its arguments.
    """

    tool: str
    effect: Effect
    targets: Collection[Target] = ()
    sources: Sources = field(default_factory=Sources)
    payments: Collection[str] = ()


def decide_call(policy: TrustPolicy, facts: CallFacts, taint: Taint) -> GuardDecision:
    """Return the decision on a call.

    After unproven text every target must stand in the sources or on the operator's list. After
    proven mail alone only those must that reach others, and addresses of the organisations that
    proved themselves are free. A call that reaches others, or deletes, and names no target follows
    the worst text.

    Args:
        policy: The operator's.
        facts: What the call would do, and to what.
        taint: What the conversation was shown.
    """
    findings: list[Finding] = []
    if taint.worst is not None and policy.name != "off":
        findings = [
            *_find_unexplained(policy, facts, taint, taint.worst),
            *_find_unaimed(policy, facts, taint.worst),
            *policy.find_new_payments(facts.payments, taint, facts.sources.addresses),
        ]
    return decide(facts.tool, taint.worst or OWN, findings, policy.name)


def _find_unexplained(
    policy: TrustPolicy, facts: CallFacts, taint: Taint, worst: Assessment
) -> Iterator[Finding]:
    """Find the targets that only text of others can have supplied."""
    is_lenient = policy.name == "standard" and worst.tier <= Tier.PROVEN
    tiers: dict[Target, Tier] = {}
    for target in facts.targets:
        if facts.effect is Effect.READ and not target.kind.is_request:
            continue
        if is_lenient and not target.kind.reaches_others:
            continue
        if not _is_explained(policy, target, facts.sources, taint):
            tiers[target] = taint.named.get(normalize_address(target.value), Tier.LISTED)
    if tiers:
        action = get_action(policy.name, OperationKind.INTRODUCE, max(tiers.values()))
        arguments = ", ".join(dict.fromkeys(target.argument for target in tiers))
        names = tuple(dict.fromkeys(target.value[:_MAX_SHOWN] for target in tiers))
        yield Finding(action, "target_not_from_user", arguments, names)
    if len(facts.targets) > MAX_TARGETS:
        action = get_action(policy.name, OperationKind.INTRODUCE, Tier.LISTED)
        yield Finding(action, "too_many_targets", f"{MAX_TARGETS}")


def _is_explained(policy: TrustPolicy, target: Target, sources: Sources, taint: Taint) -> bool:
    if sources.explain(target):
        return True
    if target.kind is TargetKind.ADDRESS:
        address = normalize_address(target.value)
        is_vouched = taint.tier is not None and taint.tier <= Tier.PROVEN
        return address in policy.listed or (is_vouched and is_proven(address, taint.named))
    host = get_host(target)
    return bool(host) and f"any@{host}" in policy.listed


def _find_unaimed(policy: TrustPolicy, facts: CallFacts, worst: Assessment) -> Iterator[Finding]:
    """Find whether the worst text decides, because the targets say nothing for the call."""
    is_aimed = bool(facts.targets) and policy.name == "standard" and worst.tier < Tier.FAILED
    destroys = facts.effect is Effect.INTERNAL and _DESTROYS.match(facts.tool) is not None
    if (facts.effect is Effect.OUTSIDE and not is_aimed) or (destroys and not facts.targets):
        yield policy.get_taint_finding(OperationKind.CHANGE, worst)


_DESTROYS = re.compile(
    r"(?:delete|remove|drop|clear|purge|erase|wipe|reset|cancel|overwrite|empty)(?![a-z])",
    re.IGNORECASE,
)
