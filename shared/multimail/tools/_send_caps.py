"""Caps on sends, counted in the guard's store: of a conversation, a thread, and of each address."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from ..models import Mailbox
from ..sessions import SendToken, SessionStore
from ..trust import Action, GuardDecision, TrustPolicy
from ..trust.addresses import normalize_addresses
from ..trust.daily_caps import guess_organisation
from ..trust.decisions import Finding


def count_free(
    decision: GuardDecision,
    policy: TrustPolicy,
    store: SessionStore,
    scope: str,
    key: str,
    recipients: Iterable[str],
) -> GuardDecision:
    """Count mail that leaves without a human, where the server doesn't; hold it over a cap.

    A robot that answers every mail with a new thread would otherwise be answered for ever.

    Args:
        decision: On the send.
        policy: Has the caps.
        store: Has the counts.
        scope: The store's name for the mailbox that sends.
        key: The idempotency key of the send: a repeat is not counted again.
        recipients: All of its recipients.

    Returns:
        The decision, or a hold.
    """
    if not _is_free(decision, policy):
        return decision
    caps = policy.build_daily_caps(recipients)
    for name, cap, code in caps.list_counted(recipients, guess_organisation):
        token = SendToken("", f"{scope}|free:{name}", key)
        if store.count_send(token, sys.maxsize, cap):
            return decision.add(Finding(Action.HOLD, code, names=(name.removeprefix("@"),)))
    return decision


def count_send(
    decision: GuardDecision,
    policy: TrustPolicy,
    store: SessionStore,
    token: SendToken,
    per_session: int | None,
) -> GuardDecision:
    """Count a send against the caps of its conversation and of its thread.

    Args:
        decision: On the send.
        policy: Has the cap of a thread.
        store: Has the counts.
        token: The send.
        per_session: The cap of the conversation; None for none.

    Returns:
        The decision, or a refusal where a cap is reached.
    """
    if decision.action is Action.REFUSE or policy.name == "off":
        return decision
    most = sys.maxsize if per_session is None else per_session
    cap = store.count_send(token, most, policy.sends_per_thread)
    return decision.add(Finding(Action.REFUSE, f"cap_per_{cap}")) if cap else decision


def build_daily_caps(
    policy: TrustPolicy, decision: GuardDecision, mailbox: Mailbox, recipients: Iterable[str]
) -> dict[str, Any] | None:
    """Return the caps under which the server lets a send pass; None where it can't count.

    Args:
        policy: Has the caps.
        decision: The final one on the send.
        mailbox: The mailbox that sends.
        recipients: All recipients.
    """
    if not mailbox.counts_free_sends or not _is_free(decision, policy):
        return None
    caps = policy.build_daily_caps(recipients)
    domains = {address.rpartition("@")[2] for address in normalize_addresses(recipients)}
    return {
        "per_address": caps.per_address,
        "per_organisation": caps.per_organisation,
        "exempt": sorted(caps.exempt),
        "public_providers": sorted(domains.intersection(caps.public_providers)),
    }


def _is_free(decision: GuardDecision, policy: TrustPolicy) -> bool:
    return decision.action is Action.ALLOW and policy.name != "off"
