"""The session store: what the guard remembers, as a protocol."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ..trust.taint import Taint

THREAD_WINDOW = timedelta(hours=24)
"""How far back the sends of a thread count."""


@dataclass(frozen=True, slots=True)
class SendToken:
    """A send that wants to count.

    Attributes:
        session: The conversation.
        thread: The thread that it goes into; empty for a new one.
        key: What is the same for the same message; a key that was counted is not counted again.
        at: When.
    """

    session: str
    thread: str
    key: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class SessionStore(Protocol):
    """What the guard remembers. Every method may be called from any thread.

    A `session` is one conversation, a `scope` one mailbox; both are opaque. Addresses are
    normalized (`multimail.trust.addresses.normalize_address`).
    """

    def taint(self, session: str, addresses: Collection[str] = ()) -> Taint:
        """Return a conversation's taint, with what is known of these addresses."""
        ...

    def grow_taint(self, session: str, more: Taint) -> None:
        """Add to a conversation's taint; it is remembered when this returns."""
        ...

    def declare(self, session: str, addresses: Iterable[str]) -> None:
        """Remember addresses that app code took from the user's own words."""
        ...

    def declared(self, session: str) -> frozenset[str]:
        """Return the addresses that were declared in a conversation."""
        ...

    def add_known(self, scope: str, addresses: Iterable[str]) -> None:
        """Remember addresses to which a human approved a send."""
        ...

    def known(self, scope: str, addresses: Collection[str]) -> frozenset[str]:
        """Return those of the addresses to which a human approved a send before."""
        ...

    def note_held(self, scope: str, email_id: str, addresses: Iterable[str]) -> None:
        """Remember to whom a send goes that awaits a human."""
        ...

    def held_to(self, scope: str, addresses: Collection[str], limit: int) -> list[str]:
        """Return the newest sends to any of the addresses that awaited a human, at most `limit`."""
        ...

    def forget_held(self, scope: str, email_id: str) -> None:
        """Forget a send that was decided."""
        ...

    def take_send(self, token: SendToken, per_session: int, per_thread: int) -> str:
        """Count a send, in one step with the question whether it may be.

        Returns:
            Empty if it was counted; else which cap is reached, `session` or `thread`.
        """
        ...

    def reset(self, session: str) -> None:
        """Forget a conversation's taint, declared addresses and count of sends."""
        ...
