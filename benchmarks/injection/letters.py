"""Letters: messages as they come in, signed or not, and the zone that they are checked by."""

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
    """What speaks for the domain in the From of an attacker's mail."""

    AUTHENTICATED = "authenticated"
    """It is the attacker's own domain or account, and its DKIM signature is valid."""
    UNAUTHENTICATED = "unauthenticated"
    """No signature, and a domain without a DMARC policy."""
    FAILED = "failed"
    """No signature, and a domain whose DMARC policy is `reject`."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message before it is written out.

    Attributes:
        sender: Its From, with a display name perhaps.
        subject: Its subject.
        text: Its body as plain text; empty for none.
        html: Its body as HTML; empty for none.
        cc: Who else is addressed.
        reply_to: Its Reply-To; empty for none.
        files: Names and contents of text attachments.
        message_id: Empty for a new one.
        answers: The Message-ID that it answers; empty for none.
        age: How long ago it was written.
        hostile: Whether the attacker wrote it: then its evidence is what is measured.
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


class Postmark:
    """Writes letters out, and signs those of which the evidence says so.

    Args:
        evidence: For hostile letters.
        all_signed: Whether the other letters are signed.
    """

    def __init__(self, evidence: Evidence, *, all_signed: bool = True) -> None:
        self.evidence = evidence
        self.all_signed = all_signed
        self._key, self._record = generate_key()

    def zone(self, domains: Iterable[str]) -> str:
        """Return the master file of the senders' domains."""
        return zone_lines(self._records(sorted(set(domains))))

    def _records(self, domains: Iterable[str]) -> Iterator[tuple[str, str]]:
        for domain in domains:
            yield f"{_SELECTOR}._domainkey.{domain}", self._record
            if self.evidence is Evidence.FAILED:
                yield f"_dmarc.{domain}", "v=DMARC1; p=reject"

    def raw(self, letter: Letter, to: str) -> bytes:
        """Return the bytes of a letter to an address."""
        raw = _message(letter, to).as_bytes()
        signed = self.evidence is Evidence.AUTHENTICATED if letter.hostile else self.all_signed
        if not signed:
            return raw
        return sign_dkim(raw, domain=letter.domain, selector=_SELECTOR, private_key_pem=self._key)


def _message(letter: Letter, to: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = letter.sender, to, letter.subject
    own_id = f"<bench-{next(_numbers)}@{letter.domain}>"
    optional = (
        ("Cc", ", ".join(letter.cc)),
        ("Reply-To", letter.reply_to),
        ("In-Reply-To", letter.answers),
        ("References", letter.answers),
        ("Message-ID", letter.message_id or own_id),
        ("Date", format_datetime(datetime.now(UTC) - letter.age)),
    )
    for name, value in optional:
        if value:
            message[name] = value
    if letter.text or not letter.html:
        message.set_content(letter.text)
    if letter.html:
        message.add_alternative(letter.html, subtype="html")
    for name, content in letter.files:
        message.add_attachment(content, filename=name)
    return message


def by_attacker(letter: Letter) -> Letter:
    """Return the letter as a hostile one."""
    return replace(letter, hostile=True)
