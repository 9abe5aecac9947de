"""The suppression list: addresses that get no mail after a bounce, complaint or unsubscribe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..auth import Principal, require_account_wide
from ..errors import ApiError, not_found
from ..oversight import RELAYED
from ..store.protocol import Reader, Scope, Tx
from ..store.records import Message, Suppression
from .context import AppContext, scope_of_message

BOUNCE, COMPLAINT, UNSUBSCRIBE = "bounce", "complaint", "unsubscribe"
_REASONS = {
    BOUNCE: "mail to it bounced",
    COMPLAINT: "it complained about mail",
    UNSUBSCRIBE: "it unsubscribed",
}


@dataclass(frozen=True, slots=True)
class UnsubscribeRequest:
    """The target of an unsubscribe link.

    Attributes:
        sender: The mailbox that sent the message.
        address: Its only recipient; None for several, who have to give their address.
        is_suppressed: Whether that recipient is already on the list.
    """

    sender: str
    address: str | None
    is_suppressed: bool


def describe(entry: Suppression) -> str:
    """Return why an address is suppressed, as a clause of a sentence."""
    since = entry.created_at.date().isoformat()
    reason = _REASONS.get(entry.reason, entry.reason)
    return f"on the suppression list since {since}: {reason}"


def get_suppressed(tx: Reader, account_id: str, addresses: Sequence[str]) -> dict[str, Suppression]:
    """Return the suppressed ones of the addresses, as they are written."""
    entries = tx.suppressed(account_id, addresses)
    return {
        address: entries[address.lower()] for address in addresses if address.lower() in entries
    }


def require_any_deliverable(suppressed: dict[str, Suppression], requested: tuple[str, ...]) -> None:
    """Require that at least one requested recipient is not suppressed.

    Raises:
        ApiError: All are (409); the error gives the reason for each.
    """
    on_list = {address.lower(): entry for address, entry in suppressed.items()}
    blocked = {
        address: on_list[address.lower()] for address in requested if address.lower() in on_list
    }
    if len(blocked) < len(set(requested)) or not blocked:
        return
    raise ApiError(
        409,
        "recipient_suppressed",
        f"Nothing was sent: {next(iter(blocked))} is {describe(next(iter(blocked.values())))}"
        + (f", and so are the other {len(blocked) - 1}. " if len(blocked) > 1 else ". ")
        + "Remove an address with DELETE /v1/suppression/{address} and an admin key.",
        extra={
            "recipients": [
                {"address": address, "status": "suppressed", "code": None, "text": describe(entry)}
                for address, entry in blocked.items()
            ]
        },
    )


def suppress(
    context: AppContext,
    tx: Tx,
    message: Message,
    address: str,
    reason: str,
    *,
    code: int | None = None,
    detail: str | None = None,
) -> None:
    """Add a recipient of a sent message to the account's suppression list, once."""
    if tx.suppression(message.account_id, address) is not None:
        return
    entry = Suppression(
        account_id=message.account_id,
        address=address.lower(),
        id=context.ids.new("sup"),
        reason=reason,
        created_at=context.now(),
        mailbox_id=message.mailbox_id,
        message_id=message.id,
        code=code,
        detail=detail[:500] if detail else None,
    )
    tx.put(entry)
    resource = ("suppression", entry.id)
    principal = Principal.system(message.account_id)
    context.audit(
        tx,
        principal,
        "suppression.add",
        resource,
        mailbox_id=message.mailbox_id,
        reason=reason,
        email=message.id,
    )


class SuppressionService:
    """API: /v1/suppression and /v1/unsubscribe/{token}."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def list_suppressions(
        self, principal: Principal, before_id: str | None, limit: int
    ) -> list[Suppression]:
        """Return up to `limit` + 1 entries, newest first."""
        require_account_wide(principal)
        return self._context.store.read(
            lambda tx: tx.suppressions(principal.account_id, before_id, limit + 1)
        )

    def remove(self, principal: Principal, address: str) -> Suppression:
        """Remove an address from the list.

        Raises:
            ApiError: It is not on the list (404), or the key belongs to one mailbox (403).
        """
        require_account_wide(principal)

        def work(tx: Tx) -> Suppression:
            entry = tx.suppression(principal.account_id, address)
            if entry is None:
                raise not_found("suppressed address", address)
            tx.remove_suppression(principal.account_id, address)
            resource = ("suppression", entry.id)
            self._context.audit(tx, principal, "suppression.remove", resource, reason=entry.reason)
            return entry

        return self._context.write(work, Scope.of_account(principal.account_id))

    def get_unsubscribe_request(self, token: str) -> UnsubscribeRequest:
        """Return the target of an unsubscribe link; changes nothing."""
        return self._context.store.read(lambda tx: self._get_request(tx, self._message(tx, token)))

    def unsubscribe(self, token: str, address: str | None) -> UnsubscribeRequest:
        """Add a recipient to the list.

        Args:
            token: From the link.
            address: Of a message with several recipients, the one that unsubscribes. An address
                that isn't a recipient changes nothing and gets the same response, so the response
                doesn't reveal the recipients.
        Raises:
            ApiError: The link is invalid or its message has not left (404); the address is missing
                (400).
        """

        def work(tx: Tx) -> UnsubscribeRequest:
            message = self._message(tx, token)
            request = self._get_request(tx, message)
            target = request.address or (address or "").strip().lower()
            if not target:
                raise ApiError(
                    400,
                    "address_missing",
                    "This message had several recipients. Give your address.",
                )
            if target in {recipient.lower() for recipient in message.recipients}:
                suppress(self._context, tx, message, target, UNSUBSCRIBE)
            return UnsubscribeRequest(request.sender, target, is_suppressed=True)

        message_id = self._context.outbound_headers.parse_token(token)
        return self._context.write(work, scope_of_message(message_id or ""))

    def _message(self, tx: Reader, token: str) -> Message:
        message_id = self._context.outbound_headers.parse_token(token)
        message = tx.message(message_id) if message_id else None
        if message is None or message.status not in RELAYED:
            raise ApiError(
                404, "unknown_link", "This unsubscribe link is unknown. Check that it is complete."
            )
        return message

    @staticmethod
    def _get_request(tx: Reader, message: Message) -> UnsubscribeRequest:
        only = message.recipients[0].lower() if len(message.recipients) == 1 else None
        suppressed = only is not None and tx.suppression(message.account_id, only) is not None
        return UnsubscribeRequest(message.from_address, only, suppressed)
