"""Approval links: a URL that lets one approver decide on one revision of one message, once."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ..errors import ApiError, conflict
from ..oversight import State
from ..store.protocol import Reader, Tx
from ..store.records import ApprovalLink, Message
from .auth import approver
from .context import AppContext, Principal, find_message
from .decisions import DecisionService

DEFAULT_LIFETIME = timedelta(hours=24)
HELD = frozenset({State.PENDING_SEND_APPROVAL, State.PENDING_INBOUND_APPROVAL})
_TOKEN_BYTES = 16


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link just made, with the token that is shown this once."""

    token: str = field(repr=False)
    link: ApprovalLink


def seen_mark(message: Message) -> str:
    """Return the digest that says which content an approver saw.

    A sent message has its `content_hash`; a received one never changes, and its bytes stand for it.
    """
    return message.content_hash or message.raw_sha256


class ApprovalLinkService:
    """API: POST /v1/oversight/{email}/approval-link (ours), GET and POST /v1/approve/{token}."""

    def __init__(self, context: AppContext, deciding: DecisionService) -> None:
        self._context = context
        self._deciding = deciding

    def make(
        self, principal: Principal, email_id: str, *, lifetime: timedelta, seen_hash: str | None
    ) -> NewLink:
        """Make a link to a message that awaits a decision. It decides as `who`.

        Args:
            principal: The approver: a key with `oversight`.
            email_id: The message.
            lifetime: From now; the link never outlives the message's own time.
            seen_hash: The `content_hash` that the approver saw, if it wants to be sure.
        Raises:
            Refusal: It awaits no decision, or is not what was seen (409); no such message (404).
        """
        context, token = self._context, secrets.token_urlsafe(_TOKEN_BYTES)

        def work(tx: Tx) -> ApprovalLink:
            approver(tx.key(principal.key_id))
            message = find_message(tx, principal, email_id)
            self._check_held(message)
            if seen_hash is not None and seen_hash != seen_mark(message):
                raise _changed(message.id)
            ends = context.now() + lifetime
            link = ApprovalLink(
                sha256=_digest(token),
                message_id=message.id,
                content_hash=seen_mark(message),
                key_id=principal.key_id,
                created_at=context.now(),
                expires_at=min(ends, message.expires_at or ends),
            )
            tx.put_approval_link(link)
            context.audit(
                tx,
                principal,
                "oversight.link",
                ("email", message.id),
                mailbox_id=message.mailbox_id,
                content_hash=link.content_hash,
                expires_at=link.expires_at.isoformat(),
            )
            return link

        return NewLink(token, context.write(work))

    def open(self, token: str) -> tuple[ApprovalLink, Principal]:
        """Return a link that still decides, and the approver that it stands for.

        Raises:
            Refusal: No such link (404); used, ended or its key gone (410); changed since (409).
        """
        return self._context.store.read(lambda tx: self._usable(tx, token, self._context.now()))

    def decide(
        self, token: str, *, approve: bool, reason: str | None, seen_hash: str | None
    ) -> Message:
        """Decide by a link; decision and use of the link are one transaction.

        Args:
            token: From the link.
            approve: Else it is rejected.
            reason: Kept with the message.
            seen_hash: What the form showed; None for a caller that saw no form.
        """
        link, principal = self.open(token)
        if seen_hash is not None and seen_hash != link.content_hash:
            raise _changed(link.message_id)

        def spend(tx: Tx) -> None:
            current, _ = self._usable(tx, token, self._context.now())
            tx.put_approval_link(replace(current, used_at=self._context.now()))

        return self._deciding.decide(
            principal, link.message_id, approve=approve, reason=reason, seen_hash=None, first=spend
        )

    def _usable(self, tx: Reader, token: str, now: datetime) -> tuple[ApprovalLink, Principal]:
        link = tx.approval_link(_digest(token))
        if link is None:
            raise ApiError(404, "link_unknown", "This approval link was not made here.")
        if link.used_at is not None:
            raise _gone("link_used", "This approval link has been used. It works once.")
        if link.expires_at <= now:
            raise _gone("link_expired", "This approval link has ended. Ask for a new one.")
        try:
            principal = approver(tx.key(link.key_id))
        except ApiError:
            raise _gone(
                "link_void", "The key behind this approval link may not decide any more."
            ) from None
        message = find_message(tx, principal, link.message_id)
        if seen_mark(message) != link.content_hash:
            raise _changed(message.id)
        return link, principal

    @staticmethod
    def _check_held(message: Message) -> None:
        if message.status not in HELD:
            raise conflict(
                "not_held",
                f"Message {message.id} awaits no decision; its status is {message.status.wire}.",
            )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _gone(code: str, sentence: str) -> ApiError:
    return ApiError(410, code, sentence)


def _changed(message_id: str) -> ApiError:
    return conflict(
        "content_changed",
        f"Message {message_id} is not what this link was made for: it changed since. Nothing was "
        "decided; ask for a new link.",
    )
