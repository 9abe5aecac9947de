"""Drafts and composed messages: their digests, and the header fields that the server adds.

Fields that the approver should see are part of the composed message. The identity and DKIM
signatures are added only when it is sent: a message that is signed before its approval could be
exfiltrated and delivered by another server.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from multimail.trust.daily_caps import DailyCaps

from ..config import LOOPBACK_HOSTS
from ..errors import ApiError, conflict, invalid
from ..mail.compose import OutgoingAttachment, OutgoingMessage, compose
from ..mail.headers import fold_tokens
from ..mail.identity import Claim, IdentityKey
from ..mail.quoting import find_forward, find_quotation
from ..mail.rendering import append_signature
from ..oversight import Direction, Mode
from ..store.protocol import Reader, Store, Tx, get_or_create_setting
from ..store.records import Attachment, Content, Domain, Mailbox, Message
from .context import AppContext

MAX_RECIPIENTS = 50
"""The most recipients of each of To, Cc and Bcc."""
_DISCLOSURE = "This message was written with the help of an AI agent."
MAX_ENVELOPE_RECIPIENTS = 3 * MAX_RECIPIENTS
_TOKEN = re.compile(r"(msg_[0-9A-Z]{26})\.([0-9a-f]{32})")
_MAC_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Draft:
    """A message as a caller requests it. Addresses are valid and texts within their limits."""

    to: tuple[str, ...]
    subject: str
    markdown: str
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    attachments: tuple[OutgoingAttachment, ...] = ()
    enclosed: tuple[str, ...] = ()
    """Ids of stored files to send, until `enclosures.resolve_files` has put them above."""
    idempotency_key: str | None = None
    send_at: datetime | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    mode: Mode | None = None
    """A mode for this message only, at least as strict as the mailbox's."""
    gate_timing: str | None = None
    """`gate_first` or `schedule_first`; None for the mailbox's default."""
    answers: Message | None = None
    """The message that this draft replies to."""
    forwards: Message | None = None
    """The message that this draft sends on."""
    forwarded_files: tuple[OutgoingAttachment, ...] = ()
    """Its files, until `enclosures.resolve_files` has put them into `attachments`."""
    references: tuple[str, ...] = ()
    """The Message-IDs of the thread, the one that it replies to last."""
    caps: DailyCaps | None = None
    """Those of a client's guard that let the message through; None if nothing is to be counted."""
    quotation: str = ""
    """The original, quoted below the text."""


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, in hex."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint(draft: Draft) -> str:
    """Return a digest that is equal for two requests that send the same message.

    Metadata and a stricter mode are left out: a client's guard can change them between two tries.
    """
    forwards = {"forwards": draft.forwards.id} if draft.forwards else {}
    return digest(
        {
            **forwards,
            "to": _addresses(draft.to),
            "cc": _addresses(draft.cc),
            "bcc": _addresses(draft.bcc),
            "subject": draft.subject,
            "markdown": draft.markdown,
            "attachments": [
                [file.name, file.content_type, hashlib.sha256(file.content).hexdigest()]
                for file in draft.attachments
            ],
            "send_at": draft.send_at.isoformat() if draft.send_at else None,
            "answers": draft.answers.id if draft.answers else None,
        }
    )


def _addresses(addresses: Iterable[str]) -> list[str]:
    return sorted({address.lower() for address in addresses})


def content_hash(message: Message, markdown: str, files: Iterable[str]) -> str:
    """Return the digest that a decision names, of everything that the recipients get.

    Args:
        message: The message with its envelope.
        markdown: Its text.
        files: The SHA-256 of each attachment, in order.
    """
    return digest(
        {
            "mailbox": message.mailbox_id,
            "from": message.from_address,
            "mail_from": message.mail_from,
            "to": message.to,
            "cc": message.cc,
            "bcc": message.bcc,
            "reply_to": message.reply_to,
            "recipients": message.recipients,
            "subject": message.subject,
            "markdown": markdown,
            "attachments": list(files),
            "raw": message.raw_sha256,
            "send_at": message.send_at.isoformat() if message.send_at else None,
        }
    )


def get_envelope_recipients(draft: Draft, mailbox: Mailbox) -> tuple[str, ...]:
    """Return the envelope recipients, each once, with the mailbox's `auto_cc` and `auto_bcc`."""
    everyone = (*draft.to, *draft.cc, *draft.bcc, *auto_copies(mailbox, "auto_cc"))
    unique = {
        address.lower(): address for address in (*everyone, *auto_copies(mailbox, "auto_bcc"))
    }
    return tuple(unique.values())


def auto_copies(mailbox: Mailbox, setting: str) -> tuple[str, ...]:
    """Return the addresses in a mailbox's setting `auto_cc` or `auto_bcc`."""
    value = mailbox.settings.get(setting) or []
    return (value,) if isinstance(value, str) else tuple(value)


def fixed_recipients(message: Message, mailbox_copies: Sequence[str]) -> frozenset[str]:
    """Return, in lower case, the recipients that the mailbox's owner set up as copies."""
    named = {address.lower() for address in (*message.to, *message.cc, *message.bcc)}
    own = {address.lower() for address in mailbox_copies}
    return frozenset(a.lower() for a in message.recipients if a.lower() not in named) | own


def add_signature(draft: Draft, mailbox: Mailbox) -> str:
    """Return the draft's text with the mailbox's signature and AI disclosure, in its form."""
    signature = mailbox.settings.get("signature_block")
    disclosure = _DISCLOSURE if mailbox.settings.get("ai_disclosure") is True else None
    if not signature and not disclosure:
        return draft.markdown
    return append_signature(draft.markdown, signature, disclosure)


@dataclass(frozen=True, slots=True)
class ComposedMessage:
    """A message that has not left, with everything it is composed from."""

    message: Message
    mailbox: Mailbox
    content: Content
    files: tuple[OutgoingAttachment, ...]

    @property
    def digests(self) -> tuple[str, ...]:
        """The SHA-256 of each attachment, in order."""
        return tuple(hashlib.sha256(file.content).hexdigest() for file in self.files)


def load_draft(tx: Reader, message: Message, content: Content) -> ComposedMessage:
    """Return the latest revision of a message."""
    mailbox = tx.mailbox(message.mailbox_id)
    if mailbox is None:
        raise conflict("no_mailbox", f"The mailbox of message {message.id} was deleted.")
    files = tuple(
        OutgoingAttachment(
            file.name, file.content_type, tx.attachment_content(file.id), file.origin
        )
        for file in tx.attachments(message.id)
    )
    return ComposedMessage(message, mailbox, content, files)


def recompose(
    context: AppContext,
    message: Message,
    before: ComposedMessage,
    markdown: str,
    files: tuple[OutgoingAttachment, ...],
) -> ComposedMessage:
    """Compose a message again; return it with its new bytes and digests.

    Args:
        context: The application's context.
        message: The message with its new envelope and subject.
        before: What was composed before; a quotation in it stays.
        markdown: The whole text, with the mailbox's signature.
        files: Its attachments, in order.
    """
    mailbox = before.mailbox
    head = context.outbound_headers.draft_headers(mailbox, message)
    mail = _outgoing(message, markdown, files, context.now())
    raw = head + compose(replace(mail, quotation=get_quotation(message, before.content)))
    digest = hashlib.sha256(raw).hexdigest()
    sized = replace(message, size=len(raw), raw_sha256=digest, has_attachments=bool(files))
    composed = ComposedMessage(sized, mailbox, Content(message.id, markdown, raw), files)
    hashed = replace(sized, content_hash=content_hash(sized, markdown, composed.digests))
    return replace(composed, message=hashed)


def get_quotation(message: Message, content: Content) -> str:
    """Return what a composed message quotes below its text; empty if it quotes nothing."""
    if message.direction is Direction.INBOUND:
        return ""
    if message.forwards_id is not None:
        return find_forward(content.raw, content.markdown)
    if message.replies_to_id is None:
        return ""
    return find_quotation(content.raw, content.markdown)


def insert_files(
    context: AppContext, tx: Tx, message_id: str, files: tuple[OutgoingAttachment, ...]
) -> None:
    """Store the attachments of a message."""
    for position, file in enumerate(files):
        row = Attachment(
            id=context.ids.new("att"),
            message_id=message_id,
            position=position,
            name=file.name,
            content_type=file.content_type,
            size=len(file.content),
            sha256=hashlib.sha256(file.content).hexdigest(),
            origin=file.origin,
        )
        tx.insert_attachment(row, file.content)


def content_changed_error(email_id: str) -> ApiError:
    """Return the error for an edit of content that has changed."""
    return conflict(
        "content_changed",
        f"Message {email_id} changed since it was read. Nothing was saved; read it again.",
    )


def _outgoing(
    message: Message, markdown: str, files: tuple[OutgoingAttachment, ...], now: datetime
) -> OutgoingMessage:
    return OutgoingMessage(
        message_id=message.rfc_message_id or "",
        date=now,
        from_address=message.from_address,
        from_name=message.from_name,
        to=message.to,
        cc=message.cc,
        reply_to=message.reply_to[0] if message.reply_to else None,
        subject=message.subject,
        markdown=markdown,
        in_reply_to=message.in_reply_to,
        references=message.refs,
        attachments=files,
    )


def require_recipient_limit(recipients: Sequence[str]) -> None:
    """Require that a message has at most 150 envelope recipients.

    Raises:
        ApiError: It has more (400).
    """
    if len(recipients) > MAX_ENVELOPE_RECIPIENTS:
        raise invalid(
            f"There are more than {MAX_ENVELOPE_RECIPIENTS} recipients in all. Send several "
            "messages."
        )


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

    def draft_headers(self, mailbox: Mailbox, message: Message) -> bytes:
        """Return the header fields of a new message.

        A reply to a person is no mail of a list, and a link to this machine is of no use to the
        recipient of live mail: neither has `List-Unsubscribe`.

        One-click unsubscribe (RFC 8058) doesn't say who clicked, so only messages with one
        recipient offer it; for others, the page asks for the address.
        """
        lines = []
        is_useless = message.live and urlsplit(self.public_url).hostname in LOOPBACK_HOSTS
        if message.replies_to_id is None and not is_useless:
            url = f"{self.public_url}/v1/unsubscribe/{self.build_token(message.id)}"
            lines.append(fold_tokens("List-Unsubscribe", [f"<{url}>"]))
            if len(message.recipients) == 1:
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
