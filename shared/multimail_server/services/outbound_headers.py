"""Header fields that the server adds to outbound mail.

Fields that the approver should see are part of the composed message. The identity and DKIM
signatures are added only when it is sent: a message that is signed before its approval could be
exfiltrated and delivered by another server.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from ..mail.headers import fold_tokens
from ..mail.identity import Claim, IdentityKey
from ..store.protocol import Store, get_or_create_setting
from ..store.records import Domain, Mailbox, Message

_TOKEN = re.compile(r"(msg_[0-9A-Z]{26})\.([0-9a-f]{32})")
_MAC_DIGITS = 32


@dataclass(frozen=True, slots=True)
class OutboundHeaders:
    """Adds header fields to outbound mail.

    Attributes:
        identity: Signs `X-MultiMail-Identity`.
        secret: The key of the unsubscribe tokens.
        public_url: The URL at which recipients reach this server, without a trailing slash.
    """

    identity: IdentityKey
    secret: str = field(repr=False)
    public_url: str

    def draft_headers(self, mailbox: Mailbox, message_id: str, recipients: int) -> bytes:
        """Return the header fields of a new message.

        One-click unsubscribe (RFC 8058) doesn't say who clicked, so only messages with one
        recipient offer it; for others, the page asks for the address.
        """
        url = f"{self.public_url}/v1/unsubscribe/{self.build_token(message_id)}"
        lines = [fold_tokens("List-Unsubscribe", [f"<{url}>"])]
        if recipients == 1:
            lines.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
        if mailbox.settings.get("ai_disclosure") is True:
            lines.append("X-MultiMail-AI-Disclosure: ai-generated")
        return "".join(f"{line}\r\n" for line in lines).encode("ascii")

    def build_token(self, message_id: str) -> str:
        """Return the unsubscribe token of a message."""
        text = f"unsubscribe\n{message_id}".encode()
        mac = hmac.new(self.secret.encode(), text, hashlib.sha256).hexdigest()
        return f"{message_id}.{mac[:_MAC_DIGITS]}"

    def parse_token(self, token: str) -> str | None:
        """Return the message id of an unsubscribe token; None for a forged one."""
        match = _TOKEN.fullmatch(token)
        if match is None or not hmac.compare_digest(self.build_token(match[1]), token):
            return None
        return match[1]

    def sign(self, raw: bytes, message: Message, domain: Domain | None, now: datetime) -> bytes:
        """Return the identity and DKIM fields to prepend to a message that is sent.

        Args:
            raw: The composed message.
            message: Its record.
            domain: The verified domain whose keys sign it; None for no DKIM signature.
            now: The server's time.
        """
        from ..mail.signing import sign_dkim

        claim = Claim(
            message_id=message.rfc_message_id or "",
            mailbox=message.from_address,
            mode=message.mode.value,
            approved="human" if message.decision == "approve" else "none",
            timestamp=int(now.timestamp()),
        )
        signed = self.identity.build_field(raw, claim) + raw
        for selector, key in domain.signers() if domain else ():
            signed = sign_dkim(
                signed, domain=domain.name if domain else "", selector=selector,
                private_key_pem=key.encode("ascii"),
            )  # fmt: skip
        return signed[: len(signed) - len(raw)]


def load_outbound_headers(store: Store, public_url: str) -> OutboundHeaders:
    """Return the outbound headers of a store, which keeps the identity key and the secret."""
    pem = get_or_create_setting(
        store, "identity_key", lambda: IdentityKey.generate().pem().decode("ascii")
    )
    secret = get_or_create_setting(store, "unsubscribe_secret", lambda: secrets.token_urlsafe(32))
    return OutboundHeaders(IdentityKey.from_pem(pem.encode("ascii")), secret, public_url)
