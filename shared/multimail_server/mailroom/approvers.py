"""Approvers: whether a key may decide, asked anew each time and never remembered."""

from __future__ import annotations

from ..refusals import Refusal, forbidden
from ..store.records import Key
from .desk import Principal


def approver(key: Key | None) -> Principal:
    """Return the principal of a key that may decide.

    Args:
        key: As the store has it now.
    Raises:
        Refusal: It is unknown or revoked (401), it can send, or it has no `oversight` (403).
    """
    if key is None or key.revoked_at is not None:
        raise Refusal(
            401, "invalid_key", "This key is not known here, or it was revoked. Check the key."
        )
    if "send" in key.scopes:
        raise forbidden(
            "self_approval",
            "This key can send, so it cannot decide on what is sent. Use the reviewer's key.",
        )
    if "oversight" not in key.scopes:
        raise forbidden(
            "missing_scope",
            "This key does not have the oversight scope, so it cannot decide. Use the "
            "reviewer's key.",
        )
    scopes = frozenset(key.scopes)
    return Principal(key.id, key.account_id, key.name, scopes, key.live, key.mailbox_id)
