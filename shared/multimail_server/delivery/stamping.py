"""Stamping: puts on a message what vouches for it, once it was let through and not before."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime

from ..mailroom.desk import Desk
from ..store.protocol import Reader
from ..store.records import Domain, Message, SignedHeaders

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stamped:
    """A message as it was when its fields for the way out were made."""

    stamp: SignedHeaders
    raw: bytes = field(repr=False)
    """The whole message, as it is transmitted."""
    content_hash: str | None
    decided_at: datetime | None

    def is_of(self, message: Message) -> bool:
        """Return whether the message is still what was stamped."""
        now = (message.content_hash, message.decided_at)
        return now == (self.content_hash, self.decided_at)


def stamped_message(desk: Desk, message_id: str) -> Stamped | None:
    """Return a message with its fields for the way out, the same at every try; None if it is gone.

    It signs outside of a transaction, since that takes time: whoever hands the message over
    compares it with `is_of` in the transaction that lets it go.
    """
    found = desk.store.read(lambda tx: _look(tx, message_id))
    if found is None:
        return None
    message, raw, stamp, domain = found
    if stamp is None:
        stamp = SignedHeaders(message_id, _head(desk, raw, message, domain))
    return Stamped(stamp, stamp.head + raw, message.content_hash, message.decided_at)


def _look(
    tx: Reader, message_id: str
) -> tuple[Message, bytes, SignedHeaders | None, Domain | None] | None:
    message, content = tx.message(message_id), tx.content(message_id)
    if message is None or content is None:
        return None
    domain = tx.domain_by_name(message.from_address.rpartition("@")[2])
    own = domain if domain and domain.account_id == message.account_id else None
    return message, content.raw, tx.signed_headers(message_id), own


def _head(desk: Desk, raw: bytes, message: Message, domain: Domain | None) -> bytes:
    if message.composer_key_id is None:
        return b""  # A forward: its own signatures say who wrote it, and this mailbox did not.
    try:
        return desk.letterhead.stamp(raw, message, domain, desk.now())
    except ValueError:
        # The rest of the outbox must not wait for a key that cannot be used.
        _log.exception("Message %s cannot be signed with DKIM and leaves without", message.id)
        return desk.letterhead.stamp(raw, message, None, desk.now())
