"""The letterhead: what every outgoing message carries beside what its sender wrote.

Two kinds of fields, for one reason. What the approver should see is frozen with the message. What
proves that it left by this server, the identity and the DKIM signatures, is put on top only when it
is let through: a signed message that nobody approved yet could be carried out by another way.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from ..mail.headers import ids_line
from ..mail.identity import Claim, IdentityKey
from ..store.protocol import Store, get_or_create_setting
from ..store.records import Domain, Mailbox, Message

_TOKEN = re.compile(r"(msg_[0-9A-Z]{26})\.([0-9a-f]{32})")
_MAC_DIGITS = 32


@dataclass(frozen=True, slots=True)
class OutboundHeaders:
    """How outgoing mail is marked.

    Attributes:
        identity: Signs `X-MultiMail-Identity`.
        secret: Makes the tokens of unsubscribe links.
        public_url: Where recipients reach this server, without a slash at its end.
    """

    identity: IdentityKey
    secret: str = field(repr=False)
    public_url: str

    def draft_headers(self, mailbox: Mailbox, message_id: str, recipients: int) -> bytes:
        """Return the fields to freeze on top of a message.

        RFC 8058's one click says nothing of who clicked, so it is offered only where there is
        one recipient; the page asks the others who they are.
        """
        url = f"{self.public_url}/v1/unsubscribe/{self.token(message_id)}"
        lines = [ids_line("List-Unsubscribe", [f"<{url}>"])]
        if recipients == 1:
            lines.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
        if mailbox.settings.get("ai_disclosure") is True:
            lines.append("X-MultiMail-AI-Disclosure: ai-generated")
        return "".join(f"{line}\r\n" for line in lines).encode("ascii")

    def token(self, message_id: str) -> str:
        """Return the token by which a recipient of this message unsubscribes."""
        text = f"unsubscribe\n{message_id}".encode()
        mac = hmac.new(self.secret.encode(), text, hashlib.sha256).hexdigest()
        return f"{message_id}.{mac[:_MAC_DIGITS]}"

    def parse_token(self, token: str) -> str | None:
        """Return the id of the message that a token was made for; None for a false one."""
        found = _TOKEN.fullmatch(token)
        if found is None or not hmac.compare_digest(self.token(found[1]), token):
            return None
        return found[1]

    def sign(self, raw: bytes, message: Message, domain: Domain | None, now: datetime) -> bytes:
        """Return what goes on top of a message that was let through.

        Args:
            raw: The message as it was frozen.
            message: Its record.
            domain: The verified domain that it leaves, whose keys sign it; None for no DKIM.
            now: The server's time.
        """
        from ..mail.signing import sign_dkim

        claim = Claim(
            message_id=message.rfc_message_id or "",
            mailbox=message.from_address,
            mode=message.mode.value,
            approved="human" if message.decision == "approve" else "none",
            moment=int(now.timestamp()),
        )
        signed = self.identity.field(raw, claim) + raw
        for selector, key in domain.signers() if domain else ():
            signed = sign_dkim(
                signed, domain=domain.name if domain else "", selector=selector,
                private_key_pem=key.encode("ascii"),
            )  # fmt: skip
        return signed[: len(signed) - len(raw)]


def load_outbound_headers(store: Store, public_url: str) -> OutboundHeaders:
    """Return the letterhead of a store, whose key and secret are made at the first start."""
    pem = get_or_create_setting(
        store, "identity_key", lambda: IdentityKey.generate().pem().decode("ascii")
    )
    secret = get_or_create_setting(store, "unsubscribe_secret", lambda: secrets.token_urlsafe(32))
    return OutboundHeaders(IdentityKey.from_pem(pem.encode("ascii")), secret, public_url)
