"""Authority: which keys may give others a right, and which modes mail is held under.

Approvers: whether a key may decide, asked anew each time and never remembered.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ApiError, forbidden
from ..oversight import Mode
from ..store.protocol import Reader
from ..store.records import Key, Mailbox
from .context import Principal

_NOT_BY = {"send": ("oversight", "admin"), "oversight": ("send", "admin")}


def require_grantable(principal: Principal, scopes: Iterable[str]) -> None:
    """Refuse that a key which sends gives out the right to decide, or the other way round.

    Else the holder of one key would make, or change, a second one and so decide on what the first
    has sent. `admin` counts as both, since an admin key can make every other key.

    Raises:
        Refusal: The key that asks may not give these scopes (403).
    """
    wanted = set(scopes)
    for own, forbidden_ones in _NOT_BY.items():
        given = sorted(wanted.intersection(forbidden_ones))
        if own in principal.scopes and given:
            raise forbidden(
                "self_approval",
                f"A key with the scope {own} cannot give a key the scope {' or '.join(given)}: "
                "one holder could then send and approve. Use the account's admin key.",
            )


def require_mode_allowed(principal: Principal, mode: Mode) -> None:
    """Refuse that a key which sends makes itself a mailbox that sends without a decision.

    Raises:
        Refusal: The mode is looser than `gated_send`, and the key can send (403).
    """
    if "send" in principal.scopes and mode.is_looser_than(Mode.GATED_SEND):
        raise forbidden(
            "loosening_refused",
            f"A key with the scope send cannot make a mailbox that is {mode.value}: make it "
            "gated_send, or use the account's admin key.",
        )


def check_approver(tx: Reader, principal: Principal) -> None:
    """Check in the deciding transaction that the approver's key may still decide.

    Raises:
        Refusal: It was revoked (401), or lost `oversight` or gained `send` (403), meanwhile.
    """
    key = tx.key(principal.key_id)
    if key is None or key.revoked_at is not None:
        raise ApiError(401, "invalid_key", "This API key was revoked; nothing was decided.")
    if "oversight" not in key.scopes or "send" in key.scopes:
        raise forbidden("self_approval", "This key may not decide any more. Use a reviewer's key.")


def keeps_inbound_hold(mailbox: Mailbox, mode: Mode) -> bool:
    """Return whether inbound mail stays held when a mailbox is tightened to `mode`.

    `read_only` shows what comes in. A mailbox that held it must not begin to show it by a change
    that only tightens.
    """
    held = mailbox.oversight_mode is Mode.GATED_ALL or mailbox.settings.get("hold_inbound") is True
    return held and mode is Mode.READ_ONLY


def inbound_mode(mailbox: Mailbox) -> Mode:
    """Return the mode to freeze on mail that comes in now."""
    held = mailbox.settings.get("hold_inbound") is True
    return Mode.GATED_ALL if held else mailbox.oversight_mode


def approver(key: Key | None) -> Principal:
    """Return the principal of a key that may decide.

    Args:
        key: As the store has it now.
    Raises:
        Refusal: It is unknown or revoked (401), it can send, or it has no `oversight` (403).
    """
    if key is None or key.revoked_at is not None:
        raise ApiError(
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
