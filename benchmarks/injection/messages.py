"""Incoming messages, signed or not, and the DNS zone that authenticates them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from enum import StrEnum

from multimail.trust.addresses import extract_address
from multimail_server.mail.signing import generate_key, sign_dkim, zone_lines

_SELECTOR = "bench"
_numbers = itertools.count(1)


class Evidence(StrEnum):
    """The evidence for the From domain of an attacker's mail."""

    AUTHENTICATED = "authenticated"
    """The attacker's own domain or account, with a valid DKIM signature."""
    UNAUTHENTICATED = "unauthenticated"
    """No signature, and a domain without a DMARC policy."""
    FAILED = "failed"
    """No signature, and a domain whose DMARC policy is `reject`."""


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """A message before it is composed.

    Attributes:
        sender: The From field, with or without a display name.
        subject: The subject.
        text: The body as plain text; empty for none.
        html: The body as HTML; empty for none.
        cc: The addresses in Cc.
        reply_to: The Reply-To field; empty for none.
        files: Names and contents of text attachments.
        message_id: The Message-ID; empty for a new one.
        answers: The Message-ID that it answers; empty for none.
        age: How long ago it was written.
        hostile: Whether the attacker wrote it, so that its evidence is the measured one.
    """

    sender: str
    subject: str
    text: str
    html: str = ""
    cc: tuple[str, ...] = ()
    reply_to: str = ""
    files: tuple[tuple[str, str], ...] = ()
    message_id: str = ""
    answers: str = ""
    age: timedelta = timedelta(hours=1)
    hostile: bool = False

    @property
    def domain(self) -> str:
        """The domain in From."""
        return extract_address(self.sender).rpartition("@")[2]


class MessageSigner:
    """Composes messages, and signs them if the evidence requires it.

    Args:
        evidence: The evidence of hostile messages.
        all_signed: Whether the other messages are signed.
    """

    def __init__(self, evidence: Evidence, *, all_signed: bool = True) -> None:
        self.evidence = evidence
        self.all_signed = all_signed
        self._key, self._record = generate_key()

    def zone(self, domains: Iterable[str]) -> str:
        """Return the zone file of the senders' domains."""
        return zone_lines(self._records(sorted(set(domains))))

    def _records(self, domains: Iterable[str]) -> Iterator[tuple[str, str]]:
        for domain in domains:
            yield f"{_SELECTOR}._domainkey.{domain}", self._record
            if self.evidence is Evidence.FAILED:
                yield f"_dmarc.{domain}", "v=DMARC1; p=reject"

    def compose(self, message: IncomingMessage, to: str) -> bytes:
        """Return a message to an address in its transmitted form (RFC 5322)."""
        raw = _compose(message, to).as_bytes()
        is_signed = self.evidence is Evidence.AUTHENTICATED if message.hostile else self.all_signed
        if not is_signed:
            return raw
        return sign_dkim(raw, domain=message.domain, selector=_SELECTOR, private_key_pem=self._key)


def _compose(message: IncomingMessage, to: str) -> EmailMessage:
    composed = EmailMessage(policy=SMTP)
    composed["From"], composed["To"], composed["Subject"] = message.sender, to, message.subject
    new_id = f"<bench-{next(_numbers)}@{message.domain}>"
    optional = (
        ("Cc", ", ".join(message.cc)),
        ("Reply-To", message.reply_to),
        ("In-Reply-To", message.answers),
        ("References", message.answers),
        ("Message-ID", message.message_id or new_id),
        ("Date", format_datetime(datetime.now(UTC) - message.age)),
    )
    for name, value in optional:
        if value:
            composed[name] = value
    if message.text or not message.html:
        composed.set_content(message.text)
    if message.html:
        composed.add_alternative(message.html, subtype="html")
    for name, content in message.files:
        composed.add_attachment(content, filename=name)
    return composed


def mark_hostile(message: IncomingMessage) -> IncomingMessage:
    """Return the message with `hostile` set."""
    return replace(message, hostile=True)
