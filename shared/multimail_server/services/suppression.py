"""Suppression: which addresses get no mail any more, how they come on the list and off it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import ApiError, forbidden, not_found
from ..oversight import State
from ..store.protocol import Reader, Tx
from ..store.records import Message, Suppression
from .context import AppContext, Principal

BOUNCE, COMPLAINT, UNSUBSCRIBE = "bounce", "complaint", "unsubscribe"
_WHY = {
    BOUNCE: "mail to it bounced",
    COMPLAINT: "it complained about mail",
    UNSUBSCRIBE: "it unsubscribed",
}
_LEFT = (State.SENDING, State.SENT)


@dataclass(frozen=True, slots=True)
class UnsubscribeRequest:
    """What an unsubscribe link is about.

    Attributes:
        sender: The mailbox that the message came from.
        address: Its only recipient; None where it had several, who have to say who they are.
        gone: Whether that recipient is on the list already.
    """

    sender: str
    address: str | None
    gone: bool


def why(entry: Suppression) -> str:
    """Return why an address gets nothing, as a sentence."""
    since = entry.created_at.date().isoformat()
    reason = _WHY.get(entry.reason, entry.reason)
    return f"on the suppression list since {since}: {reason}"


def get_suppressed(tx: Reader, account_id: str, addresses: Iterable[str]) -> dict[str, Suppression]:
    """Return those of the addresses that are on the account's list, as they were written."""
    found = {address: tx.suppression(account_id, address) for address in addresses}
    return {address: entry for address, entry in found.items() if entry is not None}


def require_any_deliverable(suppressed: dict[str, Suppression], asked: tuple[str, ...]) -> None:
    """Raise a 409 that says why for each, if nobody of those asked for may get mail."""
    on_list = {address.lower(): entry for address, entry in suppressed.items()}
    found = {one: on_list[one.lower()] for one in asked if one.lower() in on_list}
    if len(found) < len(set(asked)) or not found:
        return
    raise ApiError(
        409,
        "recipient_suppressed",
        f"Nothing was sent: {next(iter(found))} is {why(next(iter(found.values())))}"
        + (f", and so are the other {len(found) - 1}. " if len(found) > 1 else ". ")
        + "An admin key can take an address off with DELETE /v1/suppression/{address}.",
        extra={
            "recipients": [
                {"address": address, "status": "suppressed", "code": None, "text": why(entry)}
                for address, entry in found.items()
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
    """Put a recipient of a message that left on its account's list; once is enough."""
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
    tx.put_suppression(entry)
    about = ("suppression", entry.id)
    box = message.mailbox_id
    principal = Principal.system(message.account_id)
    context.audit(
        tx, principal, "suppression.add", about, mailbox_id=box, reason=reason, email=message.id
    )


class SuppressionService:
    """API: /v1/suppression and /v1/unsubscribe/{token}."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def all(self, principal: Principal, before_id: str | None, limit: int) -> list[Suppression]:
        """Return one entry more than `limit`, if there is one, newest first."""
        _account_wide(principal)
        return self._context.store.read(
            lambda tx: tx.suppressions(principal.account_id, before_id, limit + 1)
        )

    def remove(self, principal: Principal, address: str) -> Suppression:
        """Let an address get mail again.

        Raises:
            ApiError: It is not on the list (404), or the key belongs to one mailbox (403).
        """
        _account_wide(principal)

        def work(tx: Tx) -> Suppression:
            entry = tx.suppression(principal.account_id, address)
            if entry is None:
                raise not_found("suppressed address", address)
            tx.remove_suppression(principal.account_id, address)
            about = ("suppression", entry.id)
            self._context.audit(tx, principal, "suppression.remove", about, reason=entry.reason)
            return entry

        return self._context.write(work)

    def leaving(self, token: str) -> UnsubscribeRequest:
        """Return what an unsubscribe link is about; changes nothing."""
        return self._context.store.read(lambda tx: self._leaving(tx, self._message(tx, token)))

    def unsubscribe(self, token: str, address: str | None) -> UnsubscribeRequest:
        """Put a recipient on the list.

        Args:
            token: From the link.
            address: Who unsubscribes, where the message had several recipients. An address that
                did not get it changes nothing, and the answer is the same: it tells nobody who
                else got the message.
        Raises:
            ApiError: The link is false, or its message has not left (404); who it is was not said
                (400).
        """

        def work(tx: Tx) -> UnsubscribeRequest:
            message = self._message(tx, token)
            found = self._leaving(tx, message)
            wanted = found.address or (address or "").strip().lower()
            if not wanted:
                raise ApiError(
                    400,
                    "address_missing",
                    "This message had several recipients: say which address is yours.",
                )
            if wanted in {one.lower() for one in message.recipients}:
                suppress(self._context, tx, message, wanted, UNSUBSCRIBE)
            return UnsubscribeRequest(found.sender, wanted, gone=True)

        return self._context.write(work)

    def _message(self, tx: Reader, token: str) -> Message:
        message_id = self._context.outbound_headers.parse_token(token)
        message = tx.message(message_id) if message_id else None
        if message is None or message.status not in _LEFT:
            raise ApiError(
                404, "unknown_link", "This link is not one of ours. Check that it is whole."
            )
        return message

    @staticmethod
    def _leaving(tx: Reader, message: Message) -> UnsubscribeRequest:
        only = message.recipients[0].lower() if len(message.recipients) == 1 else None
        gone = only is not None and tx.suppression(message.account_id, only) is not None
        return UnsubscribeRequest(message.from_address, only, gone)


def _account_wide(principal: Principal) -> None:
    if principal.mailbox_id is not None:
        raise forbidden(
            "bound_key",
            "This key belongs to one mailbox; the suppression list is the account's. Use an "
            "account-wide admin key.",
        )
