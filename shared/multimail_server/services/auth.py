"""Authorization rules: which scopes and modes a key can grant, and which keys can approve."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ApiError, forbidden
from ..oversight import Mode
from ..store.records import Key, Mailbox
from .context import Principal

_NOT_GRANTABLE = {"send": ("oversight", "admin"), "oversight": ("send", "admin")}


def require_grantable(principal: Principal, scopes: Iterable[str]) -> None:
    """Reject a grant of scopes by which one holder could both send and approve.

    Otherwise the holder of a key that sends could make a second key and approve its own messages.
    `admin` counts as both, since an admin key can make every other key.

    Raises:
        ApiError: The principal cannot grant these scopes (403).
    """
    requested = set(scopes)
    for own_scope, excluded in _NOT_GRANTABLE.items():
        conflicting = sorted(requested.intersection(excluded))
        if own_scope in principal.scopes and conflicting:
            raise forbidden(
                "self_approval",
                f"A key with the scope {own_scope} cannot give a key the scope "
                f"{' or '.join(conflicting)}: one holder could then send and approve. Use the "
                "account's admin key.",
            )


def require_mode_allowed(principal: Principal, mode: Mode) -> None:
    """Reject a mailbox by which a key that sends could send without a decision.

    Raises:
        ApiError: The mode is looser than `gated_send` and the key has the scope `send` (403).
    """
    if "send" in principal.scopes and mode.is_looser_than(Mode.GATED_SEND):
        raise forbidden(
            "loosening_refused",
            f"A key with the scope send cannot make a mailbox that is {mode.value}. Make it "
            "gated_send, or use the account's admin key.",
        )


def require_account_wide(principal: Principal) -> None:
    """Require a key that isn't bound to one mailbox.

    Raises:
        ApiError: It is (403).
    """
    if principal.mailbox_id is not None:
        raise forbidden(
            "bound_key", "This key belongs to one mailbox. Use an account-wide admin key."
        )


def require_approver(key: Key | None) -> Principal:
    """Return the principal of a key that can approve.

    Call it in the transaction that decides: a key can be revoked or changed at any time.

    Args:
        key: As the store has it now.
    Raises:
        ApiError: It is unknown or revoked (401), has the scope `send`, or lacks `oversight` (403).
    """
    if key is None or key.revoked_at is not None:
        raise ApiError(401, "invalid_key", "This key is unknown or was revoked. Use another key.")
    if "send" in key.scopes:
        raise forbidden(
            "self_approval",
            "A key that can send cannot decide on what is sent. Use the reviewer's key.",
        )
    if "oversight" not in key.scopes:
        raise forbidden(
            "missing_scope",
            "This key has no oversight scope, so it cannot decide. Use the reviewer's key.",
        )
    scopes = frozenset(key.scopes)
    return Principal(key.id, key.account_id, key.name, scopes, key.live, key.mailbox_id)


def keeps_inbound_hold(mailbox: Mailbox, mode: Mode) -> bool:
    """Return whether inbound mail stays held when a mailbox is tightened to `mode`.

    `read_only` shows inbound mail. A change that only tightens must not reveal held mail.
    """
    held = mailbox.oversight_mode is Mode.GATED_ALL or mailbox.settings.get("hold_inbound") is True
    return held and mode is Mode.READ_ONLY


def get_inbound_mode(mailbox: Mailbox) -> Mode:
    """Return the mode to freeze on mail that arrives now."""
    held = mailbox.settings.get("hold_inbound") is True
    return Mode.GATED_ALL if held else mailbox.oversight_mode
