"""Results: what became of an outbound message, recipient by recipient."""

from __future__ import annotations

from typing import Any

from ..oversight import State
from ..store.records import Message

_OVER = frozenset({State.REJECTED, State.CANCELLED, State.EXPIRED, State.SEND_FAILED})


def results_of(message: Message) -> list[dict[str, Any]]:
    """Return address, status, code and text of each recipient.

    The status is pending, delivered (the relay took it), deferred, refused, bounced, suppressed,
    or not_sent for a message that will not leave any more.
    """
    return [_result(message, address) for address in message.recipients]


def _result(message: Message, address: str) -> dict[str, Any]:
    told = message.delivery.get(address) or {}
    return {
        "address": address,
        "status": _status(message, told),
        "code": told.get("code"),
        "text": told.get("detail"),
        "enhanced_code": told.get("enhanced"),
        "bounce_type": told.get("kind"),
    }


def _status(message: Message, told: dict[str, Any]) -> str:
    if not told:
        if message.status is State.SENT:
            return "delivered"
        return "not_sent" if message.status in _OVER else "pending"
    if told["accepted"]:
        return "delivered"
    for mark, status in (("suppressed", "suppressed"), ("bounced_at", "bounced")):
        if told.get(mark):
            return status
    again = not told.get("permanent") and message.status is State.SENDING
    return "deferred" if again else "refused"
