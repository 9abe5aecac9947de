"""The facts that decisions depend on: of a message that is answered, and of a stored file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .addresses import normalize_address
from .automation import SIGNS, Sign, list_signs
from .decisions import Action, Finding
from .labels import Assessment
from .provenance import is_in_organisation


@dataclass(frozen=True, slots=True)
class AutoReplyHeaders:
    """The header fields that say whether a message may be answered automatically (RFC 3834).

    Attributes:
        auto_submitted: Auto-Submitted, RFC 3834 section 5.
        list_id: List-Id, RFC 2919.
        precedence: Precedence, which has no standard.
        automatic: The sign of a program that the server found; see `automation.SIGNS`. Without
            it, as from a server that doesn't look for one, the other fields decide.
        is_from_own_mailbox: Whether From of this inbound message is this very mailbox.
        list_post: The addresses of List-Post, RFC 2369 section 3.4.
    """

    auto_submitted: str = ""
    list_id: str = ""
    precedence: str = ""
    automatic: str = ""
    is_from_own_mailbox: bool = False
    list_post: tuple[str, ...] = ()

    def findings(self) -> Iterator[Finding]:
        """Yield the reasons against an automatic reply, RFC 3834 section 2: no mail loops."""
        if self.is_from_own_mailbox:
            yield Finding(Action.REFUSE, "own_mail")
        sign = self._get_sign()
        if sign is not None:
            action = Action.REFUSE if sign.refuses else Action.HOLD
            yield Finding(action, sign.code, "a program sent it")

    def list_bulk_signs(self) -> Iterator[Finding]:
        """Yield the signs of bulk mail, which a person may have written; each would be a hold."""
        if self.list_id.strip():
            yield Finding(Action.HOLD, "mailing_list")
        if self.precedence.strip().lower() in _BULK:
            yield Finding(Action.HOLD, "bulk_mail")

    def is_list_address(self, address: str) -> bool:
        """Return whether mail to an address reaches the mailing list itself."""
        listed = {*map(normalize_address, self.list_post), *_list_id_addresses(self.list_id)}
        return normalize_address(address) in listed

    def _get_sign(self) -> Sign | None:
        if self.automatic:
            return SIGNS.get(self.automatic, Sign(self.automatic))
        fields = {"auto-submitted": [self.auto_submitted], "precedence": [self.precedence]}
        return next(list_signs(fields), None)


_BULK = frozenset({"bulk", "list"})
_LIST_ID = re.compile(r"<?\s*([^<>\s]+)\s*>?\s*\Z")


def _list_id_addresses(list_id: str) -> Iterator[str]:
    """Yield the address that a List-Id stands for by custom: an @ in place of its first dot."""
    match = _LIST_ID.search(list_id[-500:])
    if match is not None:
        name, _, host = match[1].partition(".")
        yield normalize_address(f"{name}@{host}")


@dataclass(frozen=True, slots=True)
class EnclosedFile:
    """A stored file that a message sends on.

    Attributes:
        message_id: The message that it came with.
        assessment: Of the message that it first came with; `OWN` for a file of the mailbox's own.
        holders: Normalized addresses of those who have it: its proven sender, the recipients that
            his signature covers, those of an own message that left.
    """

    message_id: str
    assessment: Assessment
    holders: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ReplyFacts:
    """What the decision on a reply depends on.

    Attributes:
        message_id: The message that is answered.
        assessment: Of that message.
        sender: Its From.
        reply_to: Its Reply-To.
        recipients: Every recipient of the reply.
        auto_reply: What its header says of automatic replies.
        organisation: The organisational domain that signed it; empty for none.
        signed: Normalized addresses in fields that this signature covers.
        payments: Payment details that the reply names and that the message does not.
        files: Stored files that the reply encloses.
    """

    message_id: str
    assessment: Assessment
    sender: str
    reply_to: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    auto_reply: AutoReplyHeaders = field(default_factory=AutoReplyHeaders)
    organisation: str = ""
    signed: frozenset[str] = frozenset()
    payments: frozenset[str] = frozenset()
    files: tuple[EnclosedFile, ...] = ()

    def is_vouched(self, address: str) -> bool:
        """Return whether the sender's organisation vouches for an address of the header."""
        is_colleague = is_in_organisation(address, self.organisation)
        return is_colleague and normalize_address(address) in self.signed

    @property
    def other_recipients(self) -> list[str]:
        """The recipients beside From and Reply-To of the message that is answered."""
        answered = {normalize_address(self.sender), *map(normalize_address, self.reply_to)}
        return [to for to in self.recipients if normalize_address(to) not in answered]
