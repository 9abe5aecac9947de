"""The SMTP envelope of a received message (RFC 5321 section 2.3.1)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SmtpEnvelope:
    """What the client said in the SMTP transaction, apart from the message.

    Attributes:
        mail_from: The return path; empty for a bounce.
        recipients: The recipients, as the client wrote them.
        peer: The IP address of the client; empty if the message did not come by SMTP.
        helo: The host name that the client introduced itself with.
        repeats_unanswered: Whether the same client sent the same bytes shortly before, and was
            gone when they were stored: it got no answer and tries again.
    """

    mail_from: str
    recipients: tuple[str, ...]
    peer: str
    helo: str
    repeats_unanswered: bool = False
